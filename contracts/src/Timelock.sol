// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
pragma solidity 0.8.24;

import {Ownable2StepUpgradeable} from
    "@openzeppelin/contracts-upgradeable/access/Ownable2StepUpgradeable.sol";
import {UUPSUpgradeable} from
    "@openzeppelin/contracts-upgradeable/proxy/utils/UUPSUpgradeable.sol";

/// The delay between what an owner announces and what is in force, and the
/// guardian, who can only take back.  While the delay is 0, as it is until the
/// owner sets one, the owner is as free as upstream's.
abstract contract Timelock is Ownable2StepUpgradeable, UUPSUpgradeable {
    /// Read by storage proofs: Documentation/contracts/contracts.rst promises
    /// each slot.
    struct TimelockStorage {
        // Slot 0.
        uint64 delay;
        uint64 nextDelay;
        uint64 nextDelayAt;
        // Slot 1.
        address guardian;
        // Slot 2.
        address nextGuardian;
        uint64 nextGuardianAt;
        // Slot 3.
        address nextImplementation;
        uint64 nextImplementationAt;
    }

    bytes32 private constant TIMELOCK = keccak256(
        abi.encode(uint256(keccak256("dstack.linux.timelock")) - 1)
    ) & ~bytes32(uint256(0xff));

    /// No announcement can be so far ahead that it is as good as never.
    uint64 public constant MAX_DELAY = 365 days;

    event PolicyChanged(
        address indexed actor,
        bytes32 indexed policy,
        bytes32 indexed value,
        bool enabled
    );
    event DelaySet(uint64 delay, uint64 activeAt);
    event GuardianSet(address indexed guardian, uint64 activeAt);
    event UpgradeAnnounced(address indexed implementation, uint64 activeAt);
    event UpgradeRevoked(address indexed implementation, address indexed actor);

    modifier onlyOwnerOrGuardian() {
        require(
            msg.sender == owner() || msg.sender == guardian(),
            "Caller is neither owner nor guardian"
        );
        _;
    }

    /// For how long an announcement waits.
    function delay() public view returns (uint64) {
        TimelockStorage storage s = _timelock();
        return _due(s.nextDelayAt) ? s.nextDelay : s.delay;
    }

    function guardian() public view returns (address) {
        TimelockStorage storage s = _timelock();
        return _due(s.nextGuardianAt) ? s.nextGuardian : s.guardian;
    }

    function announcedDelay() external view returns (uint64, uint64 activeAt) {
        TimelockStorage storage s = _timelock();
        return (s.nextDelay, s.nextDelayAt);
    }

    function announcedGuardian()
        external
        view
        returns (address, uint64 activeAt)
    {
        TimelockStorage storage s = _timelock();
        return (s.nextGuardian, s.nextGuardianAt);
    }

    function announcedUpgrade()
        external
        view
        returns (address implementation, uint64 activeAt)
    {
        TimelockStorage storage s = _timelock();
        return (s.nextImplementation, s.nextImplementationAt);
    }

    /// A longer delay counts at once, a shorter one after the delay it ends.
    /// What was announced keeps its time, and a shortening on its way is
    /// dropped.
    function setDelay(uint64 newDelay) external onlyOwner {
        require(newDelay <= MAX_DELAY, "Delay too long");
        TimelockStorage storage s = _timelock();
        uint64 old = delay();
        uint64 at = _now();
        s.delay = old;
        s.nextDelay = newDelay;
        if (newDelay >= old) {
            s.delay = newDelay;
            s.nextDelayAt = 0;
        } else {
            at += old;
            s.nextDelayAt = at;
        }
        emit DelaySet(newDelay, at);
        _emitPolicy("timelock-delay", bytes32(uint256(newDelay)), true);
    }

    /// A guardian in office stays there for the delay, so that who steals the
    /// owner's key cannot be rid of the guardian first.
    function setGuardian(address newGuardian) external onlyOwner {
        require(newGuardian != owner(), "Guardian must not be the owner");
        TimelockStorage storage s = _timelock();
        address old = guardian();
        uint64 at = _now();
        s.guardian = old;
        s.nextGuardian = newGuardian;
        if (old == address(0) || delay() == 0) {
            s.guardian = newGuardian;
            s.nextGuardianAt = 0;
        } else {
            at += delay();
            s.nextGuardianAt = at;
        }
        emit GuardianSet(newGuardian, at);
        _emitPolicy("guardian", _word(newGuardian), true);
    }

    /// Code decides over all else, so that it cannot change any faster.
    function announceUpgrade(address implementation) external onlyOwner {
        require(implementation != address(0), "Invalid implementation address");
        TimelockStorage storage s = _timelock();
        s.nextImplementation = implementation;
        s.nextImplementationAt = _now() + delay();
        emit UpgradeAnnounced(implementation, s.nextImplementationAt);
        _emitPolicy("upgrade-announced", _word(implementation), true);
    }

    function revokeUpgrade() external onlyOwnerOrGuardian {
        TimelockStorage storage s = _timelock();
        require(s.nextImplementationAt != 0, "No upgrade announced");
        s.nextImplementationAt = 0;
        emit UpgradeRevoked(s.nextImplementation, msg.sender);
        _emitPolicy("upgrade-announced", _word(s.nextImplementation), false);
    }

    function _authorizeUpgrade(address implementation)
        internal
        virtual
        override
        onlyOwner
    {
        TimelockStorage storage s = _timelock();
        if (delay() != 0) {
            require(
                s.nextImplementation == implementation
                    && s.nextImplementationAt != 0,
                "Upgrade not announced"
            );
            require(_due(s.nextImplementationAt), "Upgrade not yet active");
        }
        // One announcement, one upgrade: going back is announced anew.
        s.nextImplementationAt = 0;
        _emitPolicy("implementation-upgrade", _word(implementation), true);
    }

    function _emitPolicy(string memory policy, bytes32 value, bool enabled)
        internal
    {
        emit PolicyChanged(
            msg.sender, keccak256(bytes(policy)), value, enabled
        );
    }

    /// Whether the time has come; 0 is no time.
    function _due(uint64 at) internal view returns (bool) {
        return at != 0 && at <= block.timestamp;
    }

    function _now() internal view returns (uint64) {
        return uint64(block.timestamp);
    }

    function _word(address value) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(value)));
    }

    function _timelock() private pure returns (TimelockStorage storage s) {
        bytes32 slot = TIMELOCK;
        assembly {
            s.slot := slot
        }
    }
}
