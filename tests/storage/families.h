// The key spaces of the layers that tests write to.
#pragma once

#include "storage/family.h"

namespace qstore::storage {

inline constexpr Family kInt8Family = FamilyOf(1);
inline constexpr Family kResidualFamily = FamilyOf(2);
inline constexpr Family kPlainFamily = FamilyOf(3);

}  // namespace qstore::storage
