/**
 * TLS sessions that can be resumed: a later line to the same server needs neither a new key exchange nor another look at
 * the certificate. A session is kept for the very options that it was made under, so that none is resumed that was
 * verified less; with the options it is forgotten.
 */
import type { TlsOptions } from "../MysqlConfig.ts"

/** Several servers may be reached under one configuration: those that were used last are kept. */
const maxServers = 64

export class TlsSessions<Session> {
  private readonly byOptions = new WeakMap<TlsOptions, Map<string, Session>>()

  /** `server` is the name that was asked for, with the address that was reached. */
  get(options: TlsOptions, server: string): Session | undefined {
    return this.byOptions.get(options)?.get(server)
  }

  set(options: TlsOptions, server: string, session: Session): void {
    let sessions = this.byOptions.get(options)
    if (sessions === undefined) {
      sessions = new Map()
      this.byOptions.set(options, sessions)
    }
    sessions.delete(server)
    sessions.set(server, session)
    if (sessions.size > maxServers) sessions.delete(sessions.keys().next().value!)
  }
}
