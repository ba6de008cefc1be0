#include "codec/quantizer.h"

#include <array>

namespace qstore::codec {

const Quantizer* FindQuantizer(std::string_view name) {
  // One line for each.
  static constexpr std::array kQuantizers = {
      &kAbsmaxQuantizer,
  };
  for (const Quantizer* quantizer : kQuantizers) {
    if (quantizer->name == name) {
      return quantizer;
    }
  }
  return nullptr;
}

}  // namespace qstore::codec
