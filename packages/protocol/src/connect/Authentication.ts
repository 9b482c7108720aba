/**
 * The client's side of an authentication from the handshake response to the server's OK or ERR, as a machine without
 * I/O: packets of the server in, what to answer out. It holds what the conversation has come to, and the limits: one
 * switch of the plugin for each factor, three factors, a few messages for each plugin.
 *
 * Manual: "Authentication Phase", "Multifactor Authentication".
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { createHash, timingSafeEqual } from "node:crypto"
import { ProtocolError } from "../ProtocolError.ts"
import type * as Err from "../reply/Err.ts"
import type * as Ok from "../reply/Ok.ts"
import * as Auth from "./Auth.ts"
import * as AuthPacket from "./AuthPacket.ts"
import type { AuthContext, AuthError, AuthPlugin, Disclosure } from "./AuthPlugin.ts"
import type { Capabilities } from "./Capabilities.ts"
import * as NativePassword from "./NativePassword.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** What was agreed on. */
  readonly capabilities: Capabilities
  /** The plugin of the greeting, and its scramble. */
  readonly greeting: { readonly authPlugin: string; readonly scramble: Uint8Array }
  readonly password: string
  /** Those of the second and third factor, and what to answer when a dialog asks more than the password. */
  readonly furtherPasswords?: ReadonlyArray<string> | undefined
  readonly disclosure: Disclosure
  /** The line is TLS. */
  readonly tls: boolean
  /** RSA, PEM. */
  readonly serverPublicKey?: string | undefined
  /** The plugin to begin with, in place of the greeting's. The server may switch to another. */
  readonly authPlugin?: string | undefined
}

/**
 * What the server's packet has led to. `Send` may be empty bytes, which are a packet too.
 *
 * @since 0.1.0
 * @category models
 */
export type Step =
  | { readonly _tag: "Send"; readonly bytes: Uint8Array }
  | { readonly _tag: "Wait" }
  | { readonly _tag: "Accepted"; readonly ok: Ok.Ok }
  | { readonly _tag: "Refused"; readonly err: Err.Err }

const maxFactors = 3
/** Messages that one plugin may have to answer; a dialog is the longest. */
const maxRounds = 16
/** The scramble of the greeting. */
const greetingBytes = 20
const sha256Proof = 0x01

/**
 * One login, or one change of the user, from the first answer to OK or ERR. Manual: "Authentication Phase".
 *
 * @since 0.1.0
 * @category models
 */
export class Authentication {
  /** What goes into the handshake response, or the change of the user. */
  readonly authPlugin: string
  readonly authResponse: Uint8Array

  private readonly options: Options
  private plugin: AuthPlugin
  private scramble: Uint8Array
  private factor = 0
  private switched = false
  private rounds = 0
  private lastData: Uint8Array | undefined = undefined

  private constructor(options: Options, plugin: AuthPlugin, authResponse: Uint8Array) {
    this.options = options
    this.plugin = plugin
    this.scramble = options.greeting.scramble
    this.authPlugin = plugin.name
    this.authResponse = authResponse
  }

  /**
   * Fails where the plugin to begin with is unknown, or may not send what it would have to. A plugin of the greeting
   * that is not known is none of this account's for certain: the server will say which it is.
   */
  static make(options: Options): Result.Result<Authentication, AuthError> {
    const { authPlugin, greeting } = options
    const found = Auth.find(authPlugin ?? greeting.authPlugin)
    if (authPlugin !== undefined && Result.isFailure(found)) return Result.fail(found.failure)
    const known = Result.isSuccess(found) ? found.success : NativePassword.plugin
    // One that works with a scramble of another length has to wait for the server to send that.
    const plugin =
      known.scrambleBytes === undefined || known.scrambleBytes === greetingBytes ? known : NativePassword.plugin
    const context = contextOf(options, options.password, greeting.scramble, 0)
    return Result.map(plugin.start(context), (authResponse) => new Authentication(options, plugin, authResponse))
  }

  /** Of the plugin that runs. */
  get pluginName(): string {
    return this.plugin.name
  }

  /** Takes a packet of the server. After a failure nothing is to be sent, and the line is of no further use. */
  next(bytes: Uint8Array): Result.Result<Step, AuthError | ProtocolError> {
    const decoded = AuthPacket.decode(bytes, this.options.capabilities)
    if (Result.isFailure(decoded)) return Result.fail(decoded.failure)
    const packet = decoded.success
    switch (packet._tag) {
      case "Ok":
        return Result.succeed({ _tag: "Accepted", ok: packet.ok })
      case "Err":
        return Result.succeed({ _tag: "Refused", err: packet.err })
      case "MoreData":
        return this.moreData(packet.data)
      case "Switch":
        if (this.switched) return broken("one auth switch", "a second one")
        this.switched = true
        return this.begin(packet.plugin, packet.data)
      case "NextFactor":
        if (++this.factor >= maxFactors) return broken(`at most ${maxFactors} factors`, "one more")
        this.switched = false
        return this.begin(packet.plugin, packet.data)
    }
  }

  /**
   * Whether the server has proved, in the OK that it sent, that it knows the account and that the line ends at it: with
   * a hash over what it keeps of the password, its scramble, and the certificate (DER) that the client has seen. MariaDB
   * does so from 11.4 on. `absent`: it sent no such thing, or the plugin keeps nothing that would prove it.
   */
  proof(ok: Ok.Ok, certificate: Uint8Array): "absent" | "right" | "wrong" {
    if (ok.info.charCodeAt(0) !== sha256Proof) return "absent"
    const verifier = this.plugin.verifier?.(this.context(), this.lastData)
    if (verifier === undefined || this.password === "") return "absent"
    const expected = sha256(verifier, this.options.greeting.scramble, sha256(certificate))
    const told = Buffer.from(ok.info.slice(1), "hex")
    return told.length === expected.length && timingSafeEqual(told, expected) ? "right" : "wrong"
  }

  private get password(): string | undefined {
    return this.factor === 0 ? this.options.password : this.options.furtherPasswords?.[this.factor - 1]
  }

  private context(): AuthContext {
    return contextOf(this.options, this.password ?? "", this.scramble, this.rounds)
  }

  private begin(name: string, data: Uint8Array): Result.Result<Step, AuthError | ProtocolError> {
    const found = Auth.find(name)
    if (Result.isFailure(found)) return Result.fail(found.failure)
    const { scrambleBytes } = found.success
    // A short one makes the answer a hash of little but the password.
    const surplus = data.length - (scrambleBytes ?? data.length)
    if (surplus !== 0 && !(surplus === 1 && data.at(-1) === 0)) {
      return broken(`a scramble of ${scrambleBytes} bytes`, `${data.length}`)
    }
    this.plugin = found.success
    this.scramble = data.subarray(0, data.length - surplus)
    this.rounds = 0
    this.lastData = undefined
    return Result.map(this.plugin.start(this.context()), send)
  }

  private moreData(data: Uint8Array): Result.Result<Step, AuthError | ProtocolError> {
    if (this.rounds === maxRounds) return broken(`at most ${maxRounds} messages for a plugin`, "one more")
    const answer = this.plugin.respond(data, this.context())
    this.rounds++
    this.lastData = data
    return Result.map(answer, (bytes): Step => (bytes === undefined ? { _tag: "Wait" } : send(bytes)))
  }
}

/**
 * Begins with the plugin that was asked for, or with the greeting's. Fails where it is unknown, or may not send what it
 * would have to. Manual: "Authentication Phase".
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Result.Result<Authentication, AuthError> => Authentication.make(options)

const sha256 = (...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return hash.digest()
}

const send = (bytes: Uint8Array): Step => ({ _tag: "Send", bytes })

const contextOf = (options: Options, password: string, scramble: Uint8Array, round: number): AuthContext => ({
  password,
  scramble,
  disclosure: options.disclosure,
  tls: options.tls,
  serverPublicKey: options.serverPublicKey,
  answers: options.furtherPasswords,
  round
})

const broken = (expected: string, got: string): Result.Result<never, ProtocolError> =>
  Result.fail(new ProtocolError({ phase: "authentication", expected, got }))
