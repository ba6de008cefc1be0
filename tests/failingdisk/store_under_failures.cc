// A store in this process, of whose disk calls fail: much quicker than a
// daemon.
//
//   store_under_failures DIRECTORY
//
// Reads cases from standard input, a line each:
//   NUMBER CLASS_MASK SKIP COUNT ERRNO EFFECT HEALS READS_FAIL STOP
// HEALS: nothing fails any more when the work is done. READS_FAIL: 0 no, 1 some
// calls, 2 for ever. STOP: "term" or "kill". Answers each with a line:
//   NUMBER CALLS_FAILED TAB FIRST_FAILURE TAB PROBLEMS
// problems separated by " | ". For a mask of 0 the second number is followed by
// how many calls of each class there were.
//
// Each case works in a process of its own, which ends as it is told to; another
// one then looks at what is left, while nothing fails.
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tests/failingdisk/plan.h"
#include "tests/failingdisk/store_session.h"

namespace {

namespace fs = std::filesystem;
using failing_disk::Control;
using failing_disk::Effect;
using qstore::storage::Promises;
using qstore::storage::StoreSession;

// How long one case may take before it counts as hanging.
constexpr unsigned kTimeoutSeconds = 120;

// More than this fail for ever.
constexpr uint64_t kFew = 100;

struct Case {
  uint64_t number = 0;
  uint64_t class_mask = 0;
  uint64_t skip = 0;
  uint64_t count = 0;
  uint64_t error_number = 0;
  uint64_t effect = 0;
  bool heals = false;
  int reads_fail = 0;
  std::string stop;
};

struct Outcome {
  Promises promises;
  std::vector<std::string> problems;
};

// Lines of what happens, so that they survive the process: "there NAME",
// "gone NAME", "backup NAME", "problem TEXT".
class Notes {
 public:
  explicit Notes(const fs::path& path) : path_(path) {
    std::ofstream(path, std::ios::trunc).flush();
  }
  void Problem(const std::string& text) const { Add("problem", text); }
  void AddPromises(const Promises& promises) const {
    for (const std::string& name : promises.there) Add("there", name);
    for (const std::string& name : promises.gone) Add("gone", name);
    if (promises.backup) Add("backup", "");
    for (const std::string& name : promises.in_backup) Add("held", name);
    Add("end", "");
  }
  // Those of the last AddPromises.
  Outcome Read() const {
    Outcome outcome;
    std::ifstream lines(path_);
    bool ended = true;
    for (std::string line; std::getline(lines, line);) {
      const size_t space = line.find(' ');
      const std::string kind = line.substr(0, space);
      const std::string text = line.substr(space + 1);
      if (kind == "problem") {
        outcome.problems.push_back(text);
        continue;
      }
      if (std::exchange(ended, false)) outcome.promises = {};
      if (kind == "there") outcome.promises.there.insert(text);
      if (kind == "gone") outcome.promises.gone.insert(text);
      if (kind == "backup") outcome.promises.backup = true;
      if (kind == "held") outcome.promises.in_backup.insert(text);
      if (kind == "end") ended = true;
    }
    return outcome;
  }

 private:
  void Add(const char* kind, const std::string& text) const {
    std::ofstream(path_, std::ios::app)
        << kind << " " << absl::StrReplaceAll(text, {{"\n", " "}}) << "\n";
  }
  const fs::path path_;
};

// Runs `work` in a process of its own; says how that ended, empty when well.
template <typename Work>
std::string InChild(const Work& work) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kTimeoutSeconds);
    work();
    // Nothing is closed that `work` left open.
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    return WTERMSIG(status) == SIGALRM
               ? "hangs"
               : absl::StrCat("died with signal ", WTERMSIG(status));
  }
  return WEXITSTATUS(status) == 0
             ? ""
             : absl::StrCat("ended with ", WEXITSTATUS(status));
}

void Work(const Case& one, const fs::path& tree, Control* control,
          const Notes& notes, Promises promises) {
  notes.AddPromises(promises);
  const bool fails = one.error_number != 0;
  StoreSession session(
      tree,
      {.error_text =
           fails ? std::strerror(static_cast<int>(one.error_number)) : "",
       .reads_fail_for_ever = one.reads_fail == 2,
       .some_reads_fail = one.reads_fail == 1,
       .any_failed = [control] { return control->failed != 0; }},
      std::move(promises), [&](const Promises& now) { notes.AddPromises(now); },
      [&](const std::string& text) { notes.Problem(text); });
  control->class_mask = one.class_mask;
  control->skip = one.skip;
  control->count = one.count;
  control->error_number = one.error_number;
  control->effect = static_cast<Effect>(one.effect);
  control->armed = 1;
  if (!session.Open()) return;
  session.Work();
  if (one.heals) control->count = 0;
  session.CheckContents();
  if (one.heals || one.count <= kFew) session.CheckWritesAgain();
  if (one.stop == "term") session.Close();
}

void CheckRestart(const fs::path& tree, const Notes& notes, Promises promises) {
  StoreSession session(
      tree, {.error_text = "", .any_failed = [] { return false; }},
      std::move(promises), [](const Promises&) {},
      [&](const std::string& text) {
        notes.Problem("after the restart: " + text);
      });
  session.CheckRestart();
}

// What a sync lost becomes zeros, or the end of the file.
void Lose(const fs::path& lost_path, const fs::path& tree) {
  std::ifstream lines(lost_path);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    uint64_t inode = 0;
    off_t begin = 0;
    off_t end = 0;
    words >> inode >> begin >> end;
    for (const auto& entry : fs::recursive_directory_iterator(tree)) {
      if (!entry.is_regular_file()) continue;
      struct stat attributes = {};
      if (::stat(entry.path().c_str(), &attributes) != 0 ||
          attributes.st_ino != inode) {
        continue;
      }
      end = std::min(end, attributes.st_size);
      if (begin >= end) break;
      if (end == attributes.st_size) {
        fs::resize_file(entry.path(), static_cast<uintmax_t>(begin));
      } else {
        std::fstream file(entry.path(),
                          std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(begin);
        file << std::string(static_cast<size_t>(end - begin), '\0');
      }
      break;
    }
  }
  fs::remove(lost_path);
}

void Run(const Case& one, const fs::path& directory, const Promises& base,
         Control* control) {
  const fs::path tree = directory / "tree";
  const fs::path lost_path = directory / "lost";
  const Notes notes(directory / "notes");
  fs::remove_all(tree);
  fs::copy(directory / "base", tree, fs::copy_options::recursive);
  std::memset(static_cast<void*>(control), 0, sizeof(Control));
  failing_disk::Watch({tree.string()}, control, lost_path);
  const std::string ended =
      InChild([&] { Work(one, tree, control, notes, base); });
  control->armed = 0;
  if (!ended.empty()) notes.Problem(ended);
  const uint64_t failed = control->failed;
  if (failed != 0 || one.class_mask == 0) {
    Lose(lost_path, tree);
    const std::string restart =
        InChild([&] { CheckRestart(tree, notes, notes.Read().promises); });
    if (!restart.empty()) notes.Problem("after the restart: " + restart);
  }
  std::cout << one.number << " " << failed;
  if (one.class_mask == 0) {
    for (const auto& count : control->calls) std::cout << " " << count.load();
  }
  std::cout << "\t" << control->first_failure << "\t"
            << absl::StrJoin(notes.Read().problems, " | ") << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: store_under_failures DIRECTORY <CASES\n";
    return 2;
  }
  const fs::path directory = argv[1];
  auto* control = static_cast<Control*>(
      ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  // In a process of its own: RocksDB keeps threads, which a fork loses.
  const Notes notes(directory / "base-notes");
  const std::string made = InChild([&] {
    notes.AddPromises(qstore::storage::MakeBaseStore(directory / "base"));
  });
  if (!made.empty()) {
    std::cerr << "making a store: " << made << "\n";
    return 1;
  }
  const Promises base = notes.Read().promises;
  for (std::string line; std::getline(std::cin, line);) {
    Case one;
    std::istringstream words(line);
    words >> one.number >> one.class_mask >> one.skip >> one.count >>
        one.error_number >> one.effect >> one.heals >> one.reads_fail >>
        one.stop;
    if (!words) {
      std::cerr << "not a case: " << line << "\n";
      return 2;
    }
    Run(one, directory, base, control);
  }
  return 0;
}
