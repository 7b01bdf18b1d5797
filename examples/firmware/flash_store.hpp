// Checkpoints that survive a power cut at any moment: two slots of flash, written in turn, each with a sequence number
// and a CRC. The slot with the newest good record counts, so a cut while one is written leaves the other.
//
// A flash offers three calls; kSlotBytes is the size of a slot, which is erased as a whole:
//   bool erase(int slot)                                  every byte becomes 0xFF
//   bool program(int slot, int offset, unsigned char b)   an erased byte becomes b
//   const unsigned char* read(int slot)
// false means that it did not happen; nothing more is tried then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <src/io/crc32.hpp>

namespace store {

// What follows the state in its slot. It is written last, the CRC at the very end.
struct Seal {
  std::uint32_t size, layout, sequence, crc;
};

// layout: a number for what the bytes mean. Records of another one are not there: raise it with every change of the state.
template <class Flash>
class TwoSlots {
 public:
  TwoSlots(Flash& flash, std::uint32_t layout) : flash_(flash), layout_(layout) {}

  // Writes the older slot. True: it is safe. False: the flash failed, and what was saved before still is.
  bool save(const void* state, std::uint32_t size) {
    if (size + sizeof(Seal) > Flash::kSlotBytes) return false;
    const int newest = find(size);
    const int slot = newest == 0 ? 1 : 0;
    Seal seal{size, layout_, newest < 0 ? 1 : seal_of(newest, size).sequence + 1, 0};
    const auto* bytes = static_cast<const unsigned char*>(state);
    seal.crc = crc_of(bytes, seal);
    return flash_.erase(slot) && write(slot, 0, bytes, size) &&
           write(slot, size, reinterpret_cast<const unsigned char*>(&seal), sizeof seal) && good(slot, size);
  }

  // Reads the newest good record. False, and `state` untouched, if there is none of this size and layout.
  bool load(void* state, std::uint32_t size) const {
    const int slot = find(size);
    if (slot < 0) return false;
    std::memcpy(state, flash_.read(slot), size);
    return true;
  }

 private:
  static std::uint32_t crc_of(const unsigned char* bytes, const Seal& seal) {
    const auto state = std::as_bytes(std::span(bytes, seal.size));
    return emmy::io::crc32(std::as_bytes(std::span(&seal, 1)).first(offsetof(Seal, crc)), emmy::io::crc32(state));
  }
  Seal seal_of(int slot, std::uint32_t size) const {
    Seal seal;
    std::memcpy(&seal, flash_.read(slot) + size, sizeof seal);
    return seal;
  }
  bool good(int slot, std::uint32_t size) const {
    const Seal seal = seal_of(slot, size);
    return seal.size == size && seal.layout == layout_ && seal.crc == crc_of(flash_.read(slot), seal);
  }
  // The slot of the newest good record, -1 if there is none. Sequence numbers may wrap.
  int find(std::uint32_t size) const {
    const bool first = good(0, size), second = good(1, size);
    if (!first || !second) return first ? 0 : second ? 1 : -1;
    return static_cast<std::int32_t>(seal_of(1, size).sequence - seal_of(0, size).sequence) > 0 ? 1 : 0;
  }
  bool write(int slot, std::uint32_t offset, const unsigned char* bytes, std::uint32_t size) {
    for (std::uint32_t i = 0; i < size; ++i)
      if (!flash_.program(slot, static_cast<int>(offset + i), bytes[i])) return false;
    return true;
  }

  Flash& flash_;
  std::uint32_t layout_;
};

// Flash in RAM, with a power supply that fails: the operation on one byte that it fails in is done in part, in bits
// that `noise` chooses, and none after it is done at all. Programming can only clear bits.
template <int SlotBytes>
class FlashModel {
 public:
  static constexpr int kSlotBytes = SlotBytes;

  bool erase(int slot) {
    for (int i = 0; i < SlotBytes; ++i) {
      unsigned char& byte = bytes_[slot][i];
      if (!operate(byte, 0xFF)) return false;
    }
    return true;
  }
  bool program(int slot, int offset, unsigned char value) {
    unsigned char& byte = bytes_[slot][offset];
    return operate(byte, byte & value);
  }
  const unsigned char* read(int slot) const { return bytes_[slot]; }

  // Power fails in the operation after the next `operations` ones.
  void cut_after(long operations, unsigned noise) {
    failing_ = true;
    left_ = operations;
    noise_ = noise;
  }
  // Power is back, and stays.
  void restore() { failing_ = dead_ = false; }
  // A cell that loses its charge.
  void flip(int slot, int offset, int bit) {
    bytes_[slot][offset] = static_cast<unsigned char>(bytes_[slot][offset] ^ 1u << bit);
  }

 private:
  bool operate(unsigned char& byte, int wanted) {
    if (failing_ && left_ == 0) {
      if (!dead_) byte = static_cast<unsigned char>((byte & ~noise_) | (static_cast<unsigned>(wanted) & noise_));
      dead_ = true;
      return false;
    }
    --left_;
    byte = static_cast<unsigned char>(wanted);
    return true;
  }

  unsigned char bytes_[2][SlotBytes] = {};
  long left_ = 0;
  unsigned noise_ = 0;
  bool failing_ = false, dead_ = false;
};

}  // namespace store
