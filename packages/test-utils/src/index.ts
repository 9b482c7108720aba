/**
 * Real MySQL and MariaDB servers for tests, and false ones.
 *
 * @since 0.1.0
 */
export * as Certificates from "./Certificates.ts"
export * as ContainerImages from "./ContainerImages.ts"
export * as FaultProxy from "./FaultProxy.ts"
export * as Flavour from "./Flavour.ts"
export * as MysqlServer from "./MysqlServer.ts"
export * as MysqlServerError from "./MysqlServerError.ts"
export * as ScriptedServer from "./ScriptedServer.ts"
export * as SharedServers from "./SharedServers.ts"
