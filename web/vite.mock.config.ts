import { defineConfig, mergeConfig, type Plugin } from "vite";
import { MockNode } from "./tests/mock/node";
import base from "./vite.config";

/** `npm run dev:mock`: a pretended node beside the development server, with traffic to look at. */
function mockNode(): Plugin {
  return {
    name: "byway-mock-node",
    async configureServer(server) {
      const node = await MockNode.start({ webOrigins: "any" });
      node.channels.begin(node.world.pulse.commits);
      node.chat.begin();
      server.httpServer?.once("close", () => void node.stop());
      server.httpServer?.once("listening", () => {
        const address = server.httpServer?.address();
        const port = typeof address === "object" && address ? address.port : 5173;
        server.config.logger.info(`\n  mock node: http://127.0.0.1:${port}/#token=${node.token}&rpc=${node.rpcPort}\n`);
      });
    },
  };
}

export default mergeConfig(base, defineConfig({ plugins: [mockNode()] }));
