/** What is said of another node at which one talks. */

import { expect, test } from "vitest";
import { deviceSays, historySays } from "../../src/lib/devices";

test("how far a linked node has what was said before is shown until it has all", () => {
  expect(historySays({ given: 1200, messages: 5000, whole: false })).toBe("has 1,200 of 5,000 messages of before");
  expect(historySays({ given: 5000, messages: 5000, whole: true })).toBeNull();
  expect(historySays(undefined)).toBeNull();
});

test("a device out of a backup is neither there nor away before it is found", () => {
  expect(deviceSays({ state: "restored", online: true })).toBe("out of a backup, to be found again");
  expect(deviceSays({ state: "linked", online: true })).toBe("there now");
});
