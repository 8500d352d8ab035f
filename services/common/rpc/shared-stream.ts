/** A longer message goes as a call of its own, so that it holds up no others. */
export const longestCarriedBytes = 64 * 1024;

/** Calls that one stream carries at once; more go as calls of their own (I7). */
export const mostCarriedCalls = 1_024;

/** What waits together is cut into messages of about this size. */
export const carryMessageBytes = 512 * 1024;

/** Where the Carry method is found. */
export const carryPath = "/cairn.common.v1.CallService/Carry";
