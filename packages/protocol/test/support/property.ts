/**
 * Properties that must hold for any values.
 */
import * as fc from "fast-check"

/** Fails with the smallest counterexample that was found. */
export const holds = <Ts>(property: fc.IProperty<Ts>, parameters?: fc.Parameters<Ts>): void =>
  fc.assert(property, parameters)
