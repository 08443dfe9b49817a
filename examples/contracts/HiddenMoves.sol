// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// A game of two in which nobody sees the other's move before both have made theirs: rock, paper, scissors.
///
/// Each stakes the same and commits to a move by its hash with a salt. Then both open theirs, and the better one takes
/// both stakes. Whoever does not open in time has lost.
contract HiddenMoves {
    uint8 private constant NONE = 0;

    struct Player {
        address who;
        bytes32 commitment;
        uint8 move;
    }

    uint256 public immutable stake;
    /// How long there is to open, once both have committed.
    uint256 public immutable openingSeconds;

    Player[2] private players;
    uint256 public openUntil;

    event Ended(address winner);

    constructor(address one, address other, uint256 stake_, uint256 openingSeconds_) {
        players[0].who = one;
        players[1].who = other;
        stake = stake_;
        openingSeconds = openingSeconds_;
    }

    /// What `commit` takes: a move is 1 for rock, 2 for paper, 3 for scissors.
    function commitment(address who, uint8 move, bytes32 salt) public pure returns (bytes32) {
        return keccak256(abi.encode(who, move, salt));
    }

    function commit(bytes32 hash) external payable {
        Player storage player = players[indexOf(msg.sender)];
        require(player.commitment == 0, "committed before");
        require(msg.value == stake, "not the stake");
        player.commitment = hash;
        if (players[0].commitment != 0 && players[1].commitment != 0) {
            openUntil = block.timestamp + openingSeconds;
        }
    }

    function open(uint8 move, bytes32 salt) external {
        Player storage player = players[indexOf(msg.sender)];
        require(openUntil != 0, "not both have committed");
        require(player.move == NONE, "opened before");
        require(move >= 1 && move <= 3, "no such move");
        require(commitment(msg.sender, move, salt) == player.commitment, "not what was committed");
        player.move = move;
        if (players[0].move != NONE && players[1].move != NONE) {
            end((3 + players[0].move - players[1].move) % 3);
        }
    }

    /// Once the time is over: whoever has opened has won against one who hasn't, and where neither has it is a draw.
    function claim() external {
        uint256 index = indexOf(msg.sender);
        require(openUntil != 0 && block.timestamp > openUntil, "there is still time");
        require(players[1 - index].move == NONE, "nothing to claim");
        end(players[index].move == NONE ? 0 : index + 1);
    }

    function indexOf(address who) private view returns (uint256) {
        if (players[0].who == who) return 0;
        require(players[1].who == who, "not a player");
        return 1;
    }

    /// 0 is a draw, 1 the first player's victory, 2 the other's.
    function end(uint256 result) private {
        address one = players[0].who;
        address other = players[1].who;
        for (uint256 index = 0; index < 2; index++) {
            players[index].commitment = 0;
            players[index].move = NONE;
        }
        openUntil = 0;
        if (result == 0) {
            pay(one, stake);
            pay(other, stake);
            emit Ended(address(0));
        } else {
            address winner = result == 1 ? one : other;
            pay(winner, 2 * stake);
            emit Ended(winner);
        }
    }

    function pay(address to, uint256 amount) private {
        (bool paid, ) = to.call{value: amount}("");
        require(paid, "could not pay");
    }
}
