// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
pragma solidity 0.8.24;

import {Timelock} from "./Timelock.sol";

/// Which exec policy is in force, and which devices are pinned.  What allows
/// more waits for the delay, where everybody sees it; what allows less counts
/// at once.
abstract contract ExecPolicy is Timelock {
    struct Root {
        bytes32 root;
        uint64 epoch;
        uint64 activeAt;
        uint64 revokedAt;
    }

    struct Pin {
        uint64 activeAt;
        uint64 revokedAt;
    }

    /// Read by storage proofs, as TimelockStorage.
    struct ExecPolicyStorage {
        // Slots 0 and 1.
        Root current;
        // Slots 2 and 3, which count if their epoch is greater than current's.
        Root next;
        // Slot 4.
        bool pinsRequired;
        uint64 pinsEndAt;
        // Slot 5.
        mapping(bytes32 => Pin) pins;
    }

    bytes32 private constant EXEC_POLICY = keccak256(
        abi.encode(uint256(keccak256("dstack.linux.exec-policy")) - 1)
    ) & ~bytes32(uint256(0xff));

    /// The last epoch that a policy's document can have.
    uint64 private constant MAX_EPOCH = 2 ** 53 - 1;

    event ExecPolicyAnnounced(
        uint64 indexed epoch, bytes32 indexed root, uint64 activeAt
    );
    event ExecPolicyRevoked(
        uint64 indexed epoch, bytes32 indexed root, address indexed actor
    );
    event DevicePinned(bytes32 indexed deviceId, uint64 activeAt);
    event DevicePinRevoked(bytes32 indexed deviceId, address indexed actor);
    event DevicePinsRequired(bool required, uint64 activeAt);

    /// The policy in force; zeros if there is none.
    function execPolicy()
        external
        view
        returns (bytes32 root, uint64 epoch, uint64 activeAt)
    {
        Root storage r = _inForce(_policy());
        if (r.revokedAt == 0) return (r.root, r.epoch, r.activeAt);
    }

    /// What was announced last, in force or not, revoked or not.
    function announcedExecPolicy() external view returns (Root memory) {
        ExecPolicyStorage storage s = _policy();
        return s.next.epoch > s.current.epoch ? s.next : s.current;
    }

    /// Announces a policy; of several, one waits at a time.  Epochs rise also
    /// over those that were revoked.
    function announceExecPolicy(bytes32 root, uint64 epoch)
        external
        onlyOwner
    {
        ExecPolicyStorage storage s = _policy();
        _settlePolicy(s);
        require(root != bytes32(0), "Invalid policy root");
        require(epoch <= MAX_EPOCH, "Policy epoch too great");
        require(
            epoch > s.current.epoch && epoch > s.next.epoch,
            "Policy epoch must rise"
        );
        require(
            s.next.epoch <= s.current.epoch || s.next.revokedAt != 0,
            "Another policy is announced"
        );
        s.next = Root(root, epoch, _now() + delay(), 0);
        emit ExecPolicyAnnounced(epoch, root, s.next.activeAt);
        _emitPolicy("exec-policy", root, true);
    }

    /// Ends a policy: the one in force, after which none is, or the announced
    /// one, which then never is.  An older one never comes back.
    function revokeExecPolicy(uint64 epoch) external onlyOwnerOrGuardian {
        ExecPolicyStorage storage s = _policy();
        _settlePolicy(s);
        Root storage r = epoch == s.current.epoch ? s.current : s.next;
        require(epoch != 0 && epoch == r.epoch, "No policy of this epoch");
        require(r.revokedAt == 0, "Policy is revoked");
        r.revokedAt = _now();
        emit ExecPolicyRevoked(epoch, r.root, msg.sender);
        _emitPolicy("exec-policy", r.root, false);
    }

    function devicePin(bytes32 deviceId) external view returns (Pin memory) {
        return _policy().pins[deviceId];
    }

    function isDevicePinned(bytes32 deviceId) public view returns (bool) {
        Pin storage pin = _policy().pins[deviceId];
        return _due(pin.activeAt) && pin.revokedAt == 0;
    }

    function devicePinsRequired() public view returns (bool) {
        ExecPolicyStorage storage s = _policy();
        return s.pinsRequired && !_due(s.pinsEndAt);
    }

    /// When the requirement ends; 0 if nothing is announced.
    function devicePinsEndAt() external view returns (uint64) {
        return _policy().pinsEndAt;
    }

    function pinDevice(bytes32 deviceId) external onlyOwner {
        require(deviceId != bytes32(0), "invalid device ID");
        Pin storage pin = _policy().pins[deviceId];
        require(
            pin.activeAt == 0 || pin.revokedAt != 0, "Device is pinned"
        );
        pin.activeAt = _now() + delay();
        pin.revokedAt = 0;
        emit DevicePinned(deviceId, pin.activeAt);
        _emitPolicy("device-pin", deviceId, true);
    }

    function revokeDevicePin(bytes32 deviceId) external onlyOwnerOrGuardian {
        Pin storage pin = _policy().pins[deviceId];
        require(
            pin.activeAt != 0 && pin.revokedAt == 0, "Device is not pinned"
        );
        pin.revokedAt = _now();
        emit DevicePinRevoked(deviceId, msg.sender);
        _emitPolicy("device-pin", deviceId, false);
    }

    /// Counts at once if true, and after the delay if false.
    function setDevicePinsRequired(bool required) external onlyOwner {
        ExecPolicyStorage storage s = _policy();
        uint64 at = _now();
        if (required) {
            s.pinsRequired = true;
            s.pinsEndAt = 0;
        } else {
            require(devicePinsRequired(), "Device pins are not required");
            at += delay();
            s.pinsEndAt = at;
        }
        emit DevicePinsRequired(required, at);
        _emitPolicy("device-pins-required", bytes32(0), required);
    }

    /// Why this policy refuses a device to boot, or nothing.  An application
    /// that never had a policy in force is upstream's.
    function _refusal(bytes32 deviceId) internal view returns (string memory) {
        if (devicePinsRequired() && !isDevicePinned(deviceId))
            return "Device not pinned";
        if (_inForce(_policy()).revokedAt != 0) return "Exec policy revoked";
        return "";
    }

    function _isNextInForce(ExecPolicyStorage storage s)
        private
        view
        returns (bool)
    {
        return s.next.epoch > s.current.epoch && s.next.revokedAt == 0
            && _due(s.next.activeAt);
    }

    function _inForce(ExecPolicyStorage storage s)
        private
        view
        returns (Root storage)
    {
        return _isNextInForce(s) ? s.next : s.current;
    }

    /// Makes the announced policy the current one if its time has come.
    function _settlePolicy(ExecPolicyStorage storage s) private {
        if (_isNextInForce(s)) s.current = s.next;
    }

    function _policy() private pure returns (ExecPolicyStorage storage s) {
        bytes32 slot = EXEC_POLICY;
        assembly {
            s.slot := slot
        }
    }
}
