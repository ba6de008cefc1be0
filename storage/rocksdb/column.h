// The column families of the database: one of records, one of each family of
// blobs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "storage/family.h"
#include "storage/records/record_store.h"

namespace qstore::storage {

class Column {
 public:
  // Above every index, for arrays by index.
  static constexpr size_t kBound = kFamilyBound;

  static constexpr Column Records() { return Column(0); }
  static constexpr Column Of(Family family) {
    return Column(FamilyIndex(family));
  }
  static std::vector<Column> All() {
    std::vector<Column> all = {Records()};
    for (const Family family : AllFamilies()) all.push_back(Of(family));
    return all;
  }

  bool is_records() const { return index_ == 0; }
  size_t index() const { return index_; }
  // RocksDB's name of it, which is on disk.
  std::string name() const {
    return is_records() ? "manifest" : std::string(FamilyName(family()));
  }
  std::string Describe(std::string_view key) const {
    return is_records() ? DescribeRecord(key) : DescribeKey(family(), key);
  }

 private:
  constexpr explicit Column(size_t index) : index_(index) {}
  Family family() const { return static_cast<Family>(index_); }

  size_t index_;
};

}  // namespace qstore::storage
