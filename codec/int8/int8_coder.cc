#include "codec/int8/int8_coder.h"

#include <array>

namespace qstore::codec {
namespace {

// One line for each.
constexpr std::array kCoders = {
    &kZstdInt8Coder,
    &kSlicedInt8Coder,
};

}  // namespace

std::span<const Int8CoderEntry* const> Int8Coders() { return kCoders; }

const Int8CoderEntry* FindInt8Coder(uint8_t number) {
  for (const Int8CoderEntry* entry : kCoders) {
    if (static_cast<uint8_t>(entry->coder) == number) {
      return entry;
    }
  }
  return nullptr;
}

const Int8CoderEntry* FindInt8Coder(std::string_view name) {
  for (const Int8CoderEntry* entry : kCoders) {
    if (entry->name == name) {
      return entry;
    }
  }
  return nullptr;
}

const Int8CoderEntry& DefaultInt8Coder() {
  return *FindInt8Coder(static_cast<uint8_t>(EncodeOptions{}.coder));
}

std::string Int8CoderNames() {
  std::string names;
  for (const Int8CoderEntry* entry : kCoders) {
    names.append(names.empty() ? "" : ", ").append(entry->name);
  }
  return names;
}

}  // namespace qstore::codec
