/** Phones of the mock node: a code at a time, and what comes of it when a test says that a phone has used it. */

import type { Method, Methods, Phone, PhoneStatus } from "@byway/client";
import { MethodError } from "./error";
import type { MockNode } from "./node";

const URL = "https://192.168.1.20:7072/";
const FINGERPRINT = Array.from({ length: 32 }, (_, at) => (at * 7 + 16).toString(16).toUpperCase().padStart(2, "0")).join(":");
const CODE_LIFE_MS = 300_000;

export class MockPhones {
  /** Whether the configuration opens a door. */
  isOpen = true;
  phones: Phone[] = [];
  #codeUntilMs: number | null = null;

  constructor(private readonly publish: (status: PhoneStatus) => void) {}

  status(): PhoneStatus {
    return {
      public: false, phones: this.phones,
      ...(this.isOpen && { url: URL, fingerprint: FINGERPRINT }),
      ...(this.#codeUntilMs !== null && { code_until_ms: this.#codeUntilMs }),
    };
  }

  link(): Methods["phone_link"]["result"] {
    this.#codeUntilMs = Date.now() + CODE_LIFE_MS;
    return { url: `${URL}#link=abcdefghijklm234`, fingerprint: FINGERPRINT, expires_ms: this.#codeUntilMs };
  }

  /** A phone has handed the code in. */
  use(): void {
    this.#codeUntilMs = null;
    this.phones = [...this.phones, { name: this.phones.length === 0 ? "Phone" : `Phone ${this.phones.length + 1}`, linked_ms: Date.now() }];
    this.publish(this.status());
  }

  unlink(name: string): Phone {
    const phone = this.phones.find((known) => known.name === name);
    if (!phone) throw new MethodError(1682, "phone_not_found", "No phone of this name is linked.");
    this.phones = this.phones.filter((known) => known !== phone);
    return phone;
  }
}

type Handlers = { [M in Method & `phone_${string}`]: (node: MockNode, params: Methods[M]["params"]) => Methods[M]["result"] };

export const phoneHandlers: Handlers = {
  phone_link: ({ phones }) => phones.link(),
  phone_list: ({ phones }) => phones.status(),
  phone_unlink: ({ phones }, { name }) => phones.unlink(name),
};
