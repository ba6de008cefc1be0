#include "server/download/recent_values.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace qstore::server {
namespace {

using storage::Family;
using storage::PinnedValue;

PinnedValue ValueOf(size_t size_bytes, char letter) {
  const auto owner = std::make_shared<std::string>(size_bytes, letter);
  return {AsBytes(*owner), owner};
}

std::string Found(RecentValues* values, const RecentValues::Key& key) {
  return std::string(AsStringView(values->Find(key).bytes()));
}

TEST(RecentValues, FindsWhatWasAddedUnderEachPartOfTheKey) {
  RecentValues values(100);
  const RecentValues::Key keys[] = {{Family::kInt8, 1, 0, 0},
                                    {Family::kResidual, 1, 0, 0},
                                    {Family::kInt8, 2, 0, 0},
                                    {Family::kInt8, 1, 1, 0},
                                    {Family::kInt8, 1, 0, 1}};
  char letter = 'a';
  for (const auto& key : keys) values.Add(key, ValueOf(3, letter++));
  letter = 'a';
  for (const auto& key : keys) {
    EXPECT_EQ(Found(&values, key), std::string(3, letter++));
  }
  EXPECT_EQ(values.bytes(), 15u);
  EXPECT_EQ(values.Find({Family::kPlain, 1, 0, 0}).owner(), nullptr);
}

TEST(RecentValues, DropsTheLeastRecentlyUsed) {
  RecentValues values(10);
  const RecentValues::Key a{.object_id = 1};
  const RecentValues::Key b{.object_id = 2};
  const RecentValues::Key c{.object_id = 3};
  values.Add(a, ValueOf(4, 'a'));
  values.Add(b, ValueOf(4, 'b'));
  values.Find(a);
  values.Add(c, ValueOf(6, 'c'));
  EXPECT_EQ(Found(&values, a), "aaaa");
  EXPECT_EQ(values.Find(b).owner(), nullptr);
  EXPECT_EQ(Found(&values, c), "cccccc");
  EXPECT_EQ(values.bytes(), 10u);
}

TEST(RecentValues, HoldsNoMoreThanItMay) {
  RecentValues values(10);
  const RecentValues::Key key{.object_id = 1};
  values.Add(key, ValueOf(11, 'x'));
  EXPECT_EQ(values.Find(key).owner(), nullptr);
  values.Add(key, ValueOf(10, 'a'));
  values.Add(key, ValueOf(10, 'b'));
  EXPECT_EQ(Found(&values, key), std::string(10, 'a'));
  EXPECT_EQ(values.bytes(), 10u);
}

TEST(RecentValues, WhatIsInUseOutlivesItsPlace) {
  RecentValues values(5);
  values.Add({.object_id = 1}, ValueOf(5, 'a'));
  const PinnedValue used = values.Find({.object_id = 1});
  values.Add({.object_id = 2}, ValueOf(5, 'b'));
  EXPECT_EQ(values.bytes(), 5u);
  EXPECT_EQ(AsStringView(used.bytes()), "aaaaa");
}

}  // namespace
}  // namespace qstore::server
