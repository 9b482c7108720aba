/**
 * Which statement MariaDB executes under the id -1: the one that it prepared last. That lets a statement be prepared and
 * executed in one flight. But where the prepare is refused because the server has no room for more statements, the one
 * prepared before is executed in its place (MariaDB 10.11 and 11.8 do that). So behind each prepare goes that of a
 * statement that does nothing, and the next flight takes off only if that one was prepared, and closed again, for certain.
 *
 * A prepare that succeeds leaves alone what ROW_COUNT(), FOUND_ROWS() and SHOW WARNINGS tell of the statement before it; one
 * that is refused does not.
 *
 * Documentation: "COM_STMT_EXECUTE" of MariaDB.
 */
import * as Command from "@effect-mysql/protocol/command/Command"
import type { Reply } from "@effect-mysql/protocol/reply/Reply"

/** The id by which the statement prepared last is executed. */
export const lastPreparedId = 0xffffffff

/** Sent behind a prepare. */
export const prepareNothing: Buffer = Command.prepare("DO 0")

export class LastPrepared {
  private known: "none" | "some" = "none"
  private pending = 0
  private readonly close: (id: number) => void

  /** `close` frees a prepared statement on the server, before anything else is sent. */
  constructor(close: (id: number) => void) {
    this.close = close
  }

  /** Nothing could be executed in place of a statement that is prepared now. */
  get none(): boolean {
    return this.known === "none" && this.pending === 0
  }

  /** A prepare is to be sent. */
  begin(): void {
    this.pending++
  }

  /** It is over; `nothing` is the reply to what was sent behind it, where anything was sent. */
  end(nothing: Reply | undefined): void {
    this.pending--
    if (nothing === undefined) return
    const { prepared } = nothing
    this.known = prepared === undefined ? "some" : "none"
    if (prepared !== undefined) this.close(prepared.statementId)
  }
}
