/** Devices of the mock node: one is linked at once by whatever token, but for one that counts no more. */

import type { Device, DeviceStatus, Method, Methods } from "@byway/client";
import { MethodError } from "./error";
import type { MockNode } from "./node";
import { hex } from "./world";

const TOKEN_LIFE_MS = 600_000;

export class MockDevices {
  role: DeviceStatus["role"] = "first";
  devices: Device[] = [];
  #tokenUntilMs: number | null = null;

  constructor(private readonly own: string, private readonly publish: (status: DeviceStatus) => void) {}

  status(): DeviceStatus {
    return { person: this.own, role: this.role, devices: this.devices, ...(this.#tokenUntilMs !== null && { token_until_ms: this.#tokenUntilMs }) };
  }

  token(): Methods["device_token"]["result"] {
    this.#tokenUntilMs = Date.now() + TOKEN_LIFE_MS;
    return { token: "byway:device/abcdefgh", expires_ms: this.#tokenUntilMs };
  }

  link({ token, name = "Device" }: Methods["device_link"]["params"]): Device {
    if (token === "old") throw new MethodError(1715, "device_token_expired", "This token counts no more: each does for ten minutes.");
    const now = Date.now();
    const device: Device = { name, node: hex(9_000 + this.devices.length, 40), state: "linked", since_ms: now, until_ms: now + 8_640_000_000, online: true, heard_ms: now };
    this.devices = [...this.devices, device];
    return device;
  }

  remove(named: string): Device {
    const device = this.devices.find(({ name, node }) => name === named || node === named);
    if (!device) throw new MethodError(1712, "device_not_found", "None of your other devices is called so.");
    this.devices = this.devices.filter((known) => known !== device);
    this.publish(this.status());
    return device;
  }
}

type Handlers = { [M in Method & `device_${string}`]: (node: MockNode, params: Methods[M]["params"]) => Methods[M]["result"] };

export const deviceHandlers: Handlers = {
  device_token: ({ devices }) => devices.token(),
  device_link: ({ devices }, params) => devices.link(params),
  device_list: ({ devices }) => devices.status(),
  device_remove: ({ devices }, { device }) => devices.remove(device),
};
