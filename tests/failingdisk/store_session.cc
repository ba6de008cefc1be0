#include "tests/failingdisk/store_session.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "storage/rocksdb/engine.h"
#include "tests/storage/sample_objects.h"

namespace qstore::storage {
namespace {

namespace fs = std::filesystem;

// How long a store has to take writes again once its disk does.
constexpr std::chrono::seconds kAgain(60);
// Calls that fail in a row, and then some.
constexpr int kReadAttempts = 20;
constexpr uint64_t kSharedSeed = 99;

absl::StatusOr<std::unique_ptr<ModelStore>> OpenStore(
    const fs::path& directory) {
  QSTORE_ASSIGN_OR_RETURN(Engine engine, OpenRocksDbEngine(directory, {}));
  return ModelStore::Open(std::move(engine));
}

// Small ones; those of an even seed share an object, so that deleting one of
// them rewrites a table. A large one has a table of its own.
std::vector<SampleObject> ObjectsOf(uint64_t seed) {
  if (seed == 0) return {LargeSample(seed)};
  std::vector<SampleObject> objects = {QuantizedSample(seed),
                                       PlainSample(seed)};
  if (seed % 2 == 0) objects.push_back(PlainSample(kSharedSeed));
  return objects;
}

absl::StatusOr<ModelReference> Reference(const std::string& text) {
  return ParseModelReference(text);
}

}  // namespace

Promises MakeBaseStore(const fs::path& tree) {
  fs::create_directories(tree);
  auto store = OpenStore(tree / "data");
  Promises promises;
  uint64_t seed = 1;
  for (const char* name : {"org/kept", "org/old", "org/other", "org/mixed"}) {
    const absl::Status status =
        store.ok()
            ? UploadSamples(store->get(), name, "latest", ObjectsOf(seed), seed)
                  .status()
            : store.status();
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      std::abort();
    }
    promises.there.insert(absl::StrCat(name, ":latest"));
    ++seed;
  }
  return promises;
}

StoreSession::StoreSession(fs::path tree, Failures failures, Promises promises,
                           Promise promise, Complain complain)
    : tree_(std::move(tree)),
      failures_(std::move(failures)),
      promises_(std::move(promises)),
      promise_(std::move(promise)),
      complain_(std::move(complain)) {}

bool StoreSession::Open() {
  auto store = OpenStore(tree_ / "data");
  if (store.ok()) {
    store_ = *std::move(store);
    return true;
  }
  Attempt("opening the store", store.status());
  return false;
}

// Whether it was acknowledged; complains of failures that say nothing.
bool StoreSession::Attempt(const std::string& what,
                           const absl::Status& status) {
  if (status.ok()) return true;
  const std::string text = absl::StrCat(what, ": ", status.ToString());
  if (!failures_.any_failed()) {
    complain_("failed although no call did: " + text);
  } else if (failures_.error_text.empty()) {
    complain_("failed although no call said so: " + text);
  } else if (!absl::StrContains(text, failures_.error_text) &&
             !absl::StrContains(text, "takes no writes")) {
    complain_("not clear: " + text);
  } else if (absl::IsDataLoss(status)) {
    complain_("taken for damage: " + text);
  }
  return false;
}

void StoreSession::Upload(const std::string& name, uint64_t seed) {
  const std::string reference = name + ":latest";
  if (Attempt("uploading " + name,
              UploadSamples(store_.get(), name, "latest", ObjectsOf(seed), seed)
                  .status())) {
    promises_.there.insert(reference);
  }
  promises_.gone.erase(reference);
  promise_(promises_);
}

void StoreSession::Delete(const std::string& name) {
  const std::string reference = name + ":latest";
  if (promises_.there.erase(reference) == 0) return;
  promise_(promises_);
  if (Attempt("deleting " + name,
              store_->Delete(*Reference(reference)).status())) {
    promises_.gone.insert(reference);
    promise_(promises_);
  }
}

// As server/backup_directory does it.
void StoreSession::BackUp() {
  const std::set<std::string> before = promises_.there;
  absl::Status status = store_->Checkpoint(tree_ / "partial");
  if (status.ok()) {
    status = RenameDurably(tree_ / "partial", tree_ / "backup");
  }
  if (Attempt("backing up", status)) {
    promises_.backup = true;
    promises_.in_backup = before;
    promise_(promises_);
  }
}

void StoreSession::Work() {
  Upload("org/new", 5);
  Upload("org/large", 0);
  if (Attempt(
          "tagging",
          store_->SetTag(*Reference("org/kept:latest"), "stable").status())) {
    promises_.there.insert("org/kept:stable");
    promise_(promises_);
  }
  Delete("org/old");
  store_->WaitForCollection(absl::Seconds(2)).IgnoreError();
  BackUp();
  {
    // Nobody commits it.
    auto upload = store_->BeginUpload("org/dropped");
    if (upload.ok()) {
      AddSample(upload->get(), LargeSample(7)).IgnoreError();
      AddSample(upload->get(), PlainSample(8)).IgnoreError();
    }
  }
  Delete("org/large");
  Upload("org/newer", 6);
  Upload("org/newest", 9);
  store_->WaitForCollection(absl::Seconds(2)).IgnoreError();
}

absl::Status StoreSession::ReadAll(std::set<std::string>* found) {
  QSTORE_ASSIGN_OR_RETURN(const auto models, store_->ListModels());
  for (const ModelSummary& model : models) {
    for (const ModelSummary::Tag& tag : model.tags) {
      const std::string reference = model.name + ":" + tag.name;
      QSTORE_ASSIGN_OR_RETURN(const ModelReference parsed,
                              Reference(reference));
      QSTORE_ASSIGN_OR_RETURN(const auto reader, store_->OpenRevision(parsed));
      QSTORE_RETURN_IF_ERROR(
          Annotate(ReadAllValues(reader.get()).status(), reference));
      found->insert(reference);
    }
  }
  return absl::OkStatus();
}

void StoreSession::CheckContents() {
  std::set<std::string> found;
  absl::Status status = ReadAll(&found);
  for (int i = 0;
       i < kReadAttempts && !status.ok() && failures_.some_reads_fail; ++i) {
    Attempt("reading", status);
    found.clear();
    status = ReadAll(&found);
  }
  if (!status.ok() && failures_.reads_fail_for_ever) {
    Attempt("reading", status);
    return;
  }
  if (!status.ok()) {
    complain_("cannot be read: " + status.ToString());
    return;
  }
  for (const std::string& reference : promises_.there) {
    if (!found.contains(reference)) complain_("lost: " + reference);
  }
  for (const std::string& reference : promises_.gone) {
    if (found.contains(reference)) complain_("came back: " + reference);
  }
}

void StoreSession::CheckWritesAgain() {
  const auto end = std::chrono::steady_clock::now() + kAgain;
  for (;;) {
    const absl::Status status =
        UploadSamples(store_.get(), "org/again", "latest", ObjectsOf(11), 11)
            .status();
    if (status.ok()) {
      promises_.there.insert("org/again:latest");
      promise_(promises_);
      return;
    }
    if (std::chrono::steady_clock::now() > end) {
      complain_("takes no writes for good: " + status.ToString());
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void StoreSession::Close() { store_ = nullptr; }

void StoreSession::CheckRestart() {
  if (!Open()) return;
  const absl::Status swept = store_->sweep_report().problem;
  if (!swept.ok()) complain_("cannot be swept: " + swept.ToString());
  CheckContents();
  const auto uploaded =
      UploadSamples(store_.get(), "org/last", "latest", ObjectsOf(12), 12);
  if (!uploaded.ok()) {
    complain_("takes no writes after a restart: " +
              uploaded.status().ToString());
  }
  std::set<std::string> found;
  if (ReadAll(&found).ok()) {
    for (const std::string& reference : found) {
      store_->Delete(*Reference(reference)).IgnoreError();
    }
  }
  CheckNothingIsLeft();
  CheckBackup();
}

void StoreSession::CheckNothingIsLeft() {
  const absl::Status collected = store_->WaitForCollection(absl::Seconds(20));
  if (!collected.ok()) {
    complain_("not collected after a restart: " + collected.ToString());
  }
  Close();
  auto engine = OpenRocksDbEngine(tree_ / "data", {});
  if (!engine.ok()) {
    complain_("does not open again: " + engine.status().ToString());
    return;
  }
  for (const Family family : AllFamilies()) {
    const auto ranges = engine->blobs->KeyRanges(family);
    if (!ranges.ok() || !ranges->empty()) {
      complain_("data is left of " + std::string(FamilyName(family)));
    }
  }
}

void StoreSession::CheckBackup() {
  if (!promises_.backup) return;
  promises_.there = promises_.in_backup;
  promises_.gone.clear();
  auto store = OpenStore(tree_ / "backup");
  if (!store.ok()) {
    complain_("the backup does not open: " + store.status().ToString());
    return;
  }
  store_ = *std::move(store);
  CheckContents();
  Close();
}

}  // namespace qstore::storage
