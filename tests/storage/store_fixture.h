// A store over each engine, with faults between them when a test wants some.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "storage/model_store.h"
#include "tests/storage/engine_fixture.h"
#include "tests/storage/families.h"
#include "tests/storage/faults.h"
#include "tests/storage/sample_objects.h"

namespace qstore::storage {

MATCHER_P(StatusIs, code, "") {
  *result_listener << arg.ToString();
  return arg.code() == code;
}
MATCHER_P2(StatusIs, code, text, "") {
  *result_listener << arg.ToString();
  return arg.code() == code &&
         std::string(arg.message()).find(text) != std::string::npos;
}

inline ModelReference Ref(const std::string& text) {
  const absl::StatusOr<ModelReference> reference = ParseModelReference(text);
  EXPECT_TRUE(reference.ok()) << reference.status();
  return reference.ok() ? *reference : ModelReference{};
}

template <typename Maker>
class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }

  void Reopen() {
    store_ = nullptr;
    engine_ = {};
    engine_ = maker_.Open();
    ASSERT_NE(engine_.blobs, nullptr);
    faults_->Heal();
    auto store = ModelStore::Open(WithFaults(engine_, faults_), options_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  // For opening the engine otherwise.
  void Close() {
    store_ = nullptr;
    engine_ = {};
  }

  // Uploads and returns the revision's id.
  std::string MustUpload(const std::string& model, const std::string& tag,
                         const std::vector<SampleObject>& tensors,
                         uint64_t config_seed = 1) {
    const auto result =
        UploadSamples(store_.get(), model, tag, tensors, config_seed);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->revision.revision : "";
  }

  // Whether the revision is there with all values.
  absl::Status Check(const std::string& reference) {
    auto reader = store_->OpenRevision(Ref(reference));
    if (!reader.ok()) return reader.status();
    return ReadAllValues(reader->get()).status();
  }

  // What nobody uses has been deleted then, or could not be.
  absl::Status Collect() {
    absl::Status status = store_->WaitForCollection(absl::Minutes(1));
    EXPECT_FALSE(absl::IsDeadlineExceeded(status)) << status;
    return status;
  }

  // Of what is left after a collection.
  int KeyCount(Family family) {
    Collect().IgnoreError();
    int count = 0;
    EXPECT_TRUE(engine_.blobs
                    ->ListKeys(family, "", "\xff",
                               [&count](std::string_view) {
                                 ++count;
                                 return true;
                               })
                    .ok());
    return count;
  }
  int RecordCount() {
    Collect().IgnoreError();
    int count = 0;
    EXPECT_TRUE(engine_.records
                    ->Scan("", "\xff",
                           [&count](std::string_view, ByteView) {
                             ++count;
                             return true;
                           })
                    .ok());
    return count;
  }
  int DataKeyCount() {
    return KeyCount(kInt8Family) + KeyCount(kResidualFamily) +
           KeyCount(kPlainFamily);
  }

  std::vector<std::string> TagNames(const std::string& model) {
    std::vector<std::string> names;
    const auto summary = store_->GetModel(model);
    if (!summary.ok()) return names;
    for (const ModelSummary::Tag& tag : summary->tags) {
      names.push_back(tag.name);
    }
    return names;
  }

  Maker maker_;
  ModelStoreOptions options_;
  Engine engine_;  // without faults
  // What goes wrong between the store and engine_.
  Faults between_;
  Faults* const faults_ = &between_;
  std::unique_ptr<ModelStore> store_;
};

}  // namespace qstore::storage
