// What a store does while calls on its disk fail, and what is asked of it
// afterwards.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "storage/model_store.h"

namespace qstore::storage {

// What was promised: references that must be there and whole, and that must not
// be. What is in neither may be there, whole.
struct Promises {
  std::set<std::string> there;
  std::set<std::string> gone;
  bool backup = false;
  std::set<std::string> in_backup;
};

// Called whenever promises change.
using Promise = std::function<void(const Promises& promises)>;

// Sentences about what should not be.
using Complain = std::function<void(const std::string& problem)>;

// Makes the store that each session begins with. Dies when it cannot.
Promises MakeBaseStore(const std::filesystem::path& tree);

// A session on the store in `tree`/data, with a backup to `tree`/backup. Calls
// may fail at any time.
class StoreSession {
 public:
  struct Failures {
    // What a failed call's message must contain.
    std::string error_text;
    // Whether reading may fail for ever, or for some calls.
    bool reads_fail_for_ever = false;
    bool some_reads_fail = false;
    std::function<bool()> any_failed;
  };

  StoreSession(std::filesystem::path tree, Failures failures, Promises promises,
               Promise promise, Complain complain);

  // False when it cannot be opened, and says why, as it may where calls fail.
  bool Open();
  void Work();
  // That all is there, and that writing works within seconds, or that the store
  // says that it does not.
  void CheckContents();
  void CheckWritesAgain();
  // As at a clean stop.
  void Close();

  // On a healthy disk: all is there, it takes uploads, and nothing is left when
  // all has been deleted. The last thing.
  void CheckRestart();

 private:
  bool Attempt(const std::string& what, const absl::Status& status);
  void Upload(const std::string& name, uint64_t seed);
  void Delete(const std::string& name);
  void BackUp();
  absl::Status ReadAll(std::set<std::string>* found);
  void CheckNothingIsLeft();
  void CheckBackup();

  const std::filesystem::path tree_;
  const Failures failures_;
  Promises promises_;
  const Promise promise_;
  const Complain complain_;
  std::unique_ptr<ModelStore> store_;
};

}  // namespace qstore::storage
