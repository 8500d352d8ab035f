import { resolve } from "node:path";
import { dumpFile } from "../storage/dump-file";
import { nodeDisk } from "../storage/node-disk";

/** So much text is handed on at once. */
const chunkCharacters = 64 * 1024;

/** `cairn storage dump FILE`: prints a file of a volume. True when all of it is sound. */
export async function storageDump(file: string, output: NodeJS.WritableStream): Promise<boolean> {
  let text = "";
  const flush = async () => {
    const chunk = text;
    text = "";
    if (!output.write(chunk)) await new Promise((drained) => output.once("drain", drained));
  };
  try {
    return await dumpFile(nodeDisk, resolve(file), (line) => {
      text += `${line}\n`;
      return text.length < chunkCharacters ? undefined : flush();
    });
  } finally {
    if (text !== "") await flush();
  }
}
