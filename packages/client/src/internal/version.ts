/** The version of this package, as servers are told. Held to `package.json` by a test. */
export const version = "0.0.0"
