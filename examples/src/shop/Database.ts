/**
 * The shop's database: the engine and the client on one pool, with the tables brought up to date before anybody sees
 * them. Columns are `snake_case` there and `camelCase` here.
 */
import * as MysqlEngine from "@effect-mysql/sql-layer/MysqlEngine"
import * as MysqlMigrator from "@effect-mysql/sql-layer/MysqlMigrator"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Str from "effect/String"
import * as SqlClient from "effect/sql/SqlClient"

const migrations = MysqlMigrator.fromRecord({
  "1_products": Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      CREATE TABLE products (
        id INT AUTO_INCREMENT PRIMARY KEY,
        sku VARCHAR(30) NOT NULL,
        name VARCHAR(100) NOT NULL,
        price DECIMAL(10, 2) NOT NULL,
        stock INT UNSIGNED NOT NULL,
        created_at DATETIME(3) NOT NULL,
        CONSTRAINT products_sku UNIQUE (sku)
      )
    `
  ),
  "2_orders": Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      CREATE TABLE orders (
        id INT AUTO_INCREMENT PRIMARY KEY,
        product_id INT NOT NULL,
        quantity INT UNSIGNED NOT NULL,
        placed_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
        CONSTRAINT orders_product FOREIGN KEY (product_id) REFERENCES products (id)
      )
    `
  )
})

export const layer = MysqlMigrator.layer({ loader: migrations }).pipe(
  Layer.provideMerge(
    MysqlEngine.layerConfig({
      url: Config.Redacted("DATABASE_URL"),
      maxConnections: Config.Int("DATABASE_CONNECTIONS").pipe(Config.withDefault(10)),
      // Whoever asks over HTTP is told soon that there is no database.
      acquireTimeout: Config.Duration("DATABASE_PATIENCE").pipe(Config.withDefault(Duration.seconds(3))),
      transformQueryNames: Config.succeed(Str.camelToSnake),
      transformResultNames: Config.succeed(Str.snakeToCamel)
    })
  )
)
