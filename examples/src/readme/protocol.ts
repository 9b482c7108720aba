import { Err, Packet } from "@effect-mysql/protocol"
import { Console, Effect, Stream } from "effect"

// What a server writes when it refuses a statement, in two pieces, as a network may bring them.
const packet = Packet.seal(Err.encode({ errno: 1146, sqlState: "42S02", message: "No such table" }), 1)

const program = Stream.make(packet.subarray(0, 7), packet.subarray(7)).pipe(
  Stream.pipeThroughChannel(Packet.decode()),
  Stream.mapEffect(({ payload }) => Effect.fromResult(Err.decode(payload))),
  Stream.runForEach((refusal) => Console.log(refusal))
)

Effect.runFork(program)
