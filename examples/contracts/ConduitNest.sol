// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Conduit} from "./Conduit.sol";

/// Puts a conduit into a channel, at an address that follows from this one's and from all that creates the conduit.
///
/// What creates a contract may write into its storage and then give it whatever code it likes: that of the conduit too, with
/// locks that nobody has paid for. The code of a contract says nothing of that; at this address there can be no such conduit.
contract ConduitNest {
    constructor() {
        new Conduit{salt: 0}();
    }
}
