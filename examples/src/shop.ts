/**
 * A small shop as a service over HTTP, on the database that `DATABASE_URL` names and the port in `PORT`:
 * `DATABASE_URL=mysql://… node examples/src/shop.ts`. The parts are in `shop/`.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Config from "effect/Config"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import { createServer } from "node:http"
import * as Api from "./shop/Api.ts"
import * as Database from "./shop/Database.ts"

const port = Config.Int("PORT").pipe(Config.withDefault(3000))

HttpRouter.serve(Api.layer).pipe(
  Layer.provide(Api.services),
  Layer.provide(Database.layer),
  Layer.provide(NodeHttpServer.layerConfig(createServer, { port })),
  Layer.launch,
  NodeRuntime.runMain
)
