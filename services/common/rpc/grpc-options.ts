import type { ChannelOptions } from "@grpc/grpc-js";

/** The largest message: a chunk of 1 MiB with its envelope, a thousand commands, or a page of a listing. */
const maxMessageBytes = 16 * 1024 * 1024;

/** Both ends of every connection between our processes. */
export const grpcChannelOptions: ChannelOptions = {
  "grpc.max_receive_message_length": maxMessageBytes,
  "grpc.max_send_message_length": maxMessageBytes,
  // Finds a peer that vanished without closing: HTTP/2 in Node sends no PINGs by itself.
  "grpc.keepalive_time_ms": 20_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.keepalive_permit_without_calls": 1,
  // Windows of 64 KiB, the default, stall large bodies; above 1 MiB only memory grows.
  "grpc-node.flow_control_window": 1024 * 1024,
  // A peer that comes back is found within a second.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
  "grpc.enable_retries": 0,
};
