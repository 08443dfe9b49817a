/**
 * The local API of a Byway node, typed.
 *
 * `contract` is made of the node's OpenRPC documents; `client` carries calls and events over one WebSocket. In Node, the
 * entry point `@byway/client/node` finds a running node by its folder.
 */

export { BywayClient, BywayError, type ClientOptions, type ClientState, type Socket } from "./client.js";
export * from "./contract.js";
