/** Where a server listens. */
export type Target = { readonly host: string; readonly port: number } | { readonly socketPath: string }

/** A target as people write it. */
export const addressOf = (target: Target): string =>
  "socketPath" in target ? target.socketPath : `${target.host}:${target.port}`
