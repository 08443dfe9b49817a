/** What a method of the mock node ends with when it refuses. */
export class MethodError extends Error {
  constructor(
    readonly number: number,
    readonly code: string,
    message: string,
    readonly data: Record<string, unknown> = {},
  ) {
    super(message);
  }
}
