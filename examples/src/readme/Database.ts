import { MysqlClient } from "@effect-mysql/sql-layer"
import { Config } from "effect"

// DATABASE_URL is mysql://user:password@host:3306/database
export const Database = MysqlClient.layerConfig({ url: Config.Redacted("DATABASE_URL") })
