import type { DescMessage } from "@bufbuild/protobuf";
import { file_cairn_bucket_v1_bucket } from "../../../../gen/cairn/bucket/v1/bucket_pb";
import { file_cairn_common_v1_common } from "../../../../gen/cairn/common/v1/common_pb";
import { file_cairn_identity_v1_identity } from "../../../../gen/cairn/identity/v1/identity_pb";
import { file_cairn_metadata_v1_metadata } from "../../../../gen/cairn/metadata/v1/metadata_pb";
import { file_cairn_object_v1_object } from "../../../../gen/cairn/object/v1/object_pb";
import { file_cairn_storage_v1_storage } from "../../../../gen/cairn/storage/v1/storage_pb";

/** Every message of the services' contracts, nested ones too. */
export const everyMessage: readonly DescMessage[] = [
  file_cairn_bucket_v1_bucket,
  file_cairn_common_v1_common,
  file_cairn_identity_v1_identity,
  file_cairn_metadata_v1_metadata,
  file_cairn_object_v1_object,
  file_cairn_storage_v1_storage,
].flatMap((file) => file.messages.flatMap(withNested));

function withNested(message: DescMessage): DescMessage[] {
  return [message, ...message.nestedMessages.flatMap(withNested)];
}
