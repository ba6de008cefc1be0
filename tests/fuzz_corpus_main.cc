// Runs a fuzz target as an ordinary test, without libFuzzer: first every file
// of the directories that are given, as it is, then mutations of these files
// that are the same in every run.
//
//   QSTORE_FUZZ_MUTATIONS  mutations per file (default 2000)
//   QSTORE_FUZZ_SECONDS    stop mutating after this time (default 10)
//
// When the target dies, the input is left in ./fuzz_failure_input.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size_bytes);

// Present when a sanitizer is linked in: it ends the process without a signal.
// NOLINTNEXTLINE(readability-identifier-naming): the sanitizers' name
extern "C" [[gnu::weak]] void __sanitizer_set_death_callback(
    void (*callback)());

namespace {

using Input = std::vector<uint8_t>;

constexpr size_t kMaxInputBytes = 1 << 20;
constexpr const char* kFailurePath = "fuzz_failure_input";

// What runs now, for the handlers below.
const Input* current_input = nullptr;

// Calls only what a signal handler may call.
void KeepCurrentInput() {
  if (current_input == nullptr) return;
  const int descriptor =
      open(kFailurePath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const Input* input = std::exchange(current_input, nullptr);
  constexpr char kMessage[] =
      "\nThe target died; its input is in ./fuzz_failure_input\n";
  if (write(descriptor, input->data(), input->size()) >= 0 &&
      write(STDERR_FILENO, kMessage, sizeof(kMessage) - 1) >= 0) {
    close(descriptor);
  }
}

extern "C" void HandleSignal(int signal_number) {
  KeepCurrentInput();
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

void Run(const Input& input) {
  current_input = &input;
  LLVMFuzzerTestOneInput(input.data(), input.size());
  current_input = nullptr;
}

// splitmix64: small, and the same everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // In [0, limit); 0 when the limit is 0.
  size_t Below(size_t limit) { return limit == 0 ? 0 : Next() % limit; }

 private:
  uint64_t state_;
};

// Counts and sizes at which arithmetic goes wrong.
constexpr uint64_t kEdgeNumbers[] = {0,
                                     1,
                                     0x7F,
                                     0x80,
                                     0xFF,
                                     0x100,
                                     0x7FFF,
                                     0xFFFF,
                                     0x10000,
                                     0x7FFFFFFF,
                                     0x80000000,
                                     0xFFFFFFFF,
                                     0x100000000,
                                     0x7FFFFFFFFFFFFFFF,
                                     0x8000000000000000,
                                     0xFFFFFFFFFFFFFFF8,
                                     0xFFFFFFFFFFFFFFFF};

void MutateOnce(const Input& other, Random* random, Input* input) {
  const auto at = [](Input* bytes, size_t position) {
    return bytes->begin() + static_cast<ptrdiff_t>(position);
  };
  const size_t position = random->Below(input->size());
  switch (random->Below(8)) {
    case 0:  // flip a bit
      if (!input->empty()) (*input)[position] ^= 1u << random->Below(8);
      break;
    case 1:  // replace a byte
      if (!input->empty()) {
        (*input)[position] = static_cast<uint8_t>(random->Next());
      }
      break;
    case 2: {  // write an edge number over 1, 2, 4 or 8 bytes
      const uint64_t number =
          kEdgeNumbers[random->Below(std::size(kEdgeNumbers))];
      const size_t width = size_t{1} << random->Below(4);
      for (size_t i = 0; i < width && position + i < input->size(); ++i) {
        (*input)[position + i] = static_cast<uint8_t>(number >> (8 * i));
      }
      break;
    }
    case 3:  // insert a byte
      input->insert(at(input, position), static_cast<uint8_t>(random->Next()));
      break;
    case 4: {  // remove a run
      const size_t count = 1 + random->Below(8);
      input->erase(at(input, position),
                   at(input, std::min(position + count, input->size())));
      break;
    }
    case 5:  // cut
      input->resize(position);
      break;
    case 6: {  // repeat a run of itself
      const size_t count =
          std::min(1 + random->Below(32), input->size() - position);
      const Input run(at(input, position), at(input, position + count));
      input->insert(at(input, random->Below(input->size())), run.begin(),
                    run.end());
      break;
    }
    default: {  // take over the end of another file
      const size_t from = random->Below(other.size());
      input->resize(position);
      input->insert(input->end(), other.begin() + static_cast<ptrdiff_t>(from),
                    other.end());
      break;
    }
  }
  if (input->size() > kMaxInputBytes) input->resize(kMaxInputBytes);
}

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Sorted by name, so that every run is the same.
std::vector<Input> ReadCorpus(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Input> corpus;
  for (const std::filesystem::path& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file),
                        std::istreambuf_iterator<char>());
  }
  return corpus;
}

}  // namespace

int main(int argument_count, char** arguments) {
  std::vector<Input> corpus;
  for (int i = 1; i < argument_count; ++i) {
    const std::vector<Input> files = ReadCorpus(arguments[i]);
    if (files.empty()) {
      std::fprintf(stderr, "%s: no corpus files\n", arguments[i]);
      return EXIT_FAILURE;
    }
    corpus.insert(corpus.end(), files.begin(), files.end());
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "usage: %s CORPUS_DIRECTORY...\n", arguments[0]);
    return EXIT_FAILURE;
  }

  for (const int signal_number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    std::signal(signal_number, HandleSignal);
  }
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(KeepCurrentInput);
  }

  Run({});
  for (const Input& input : corpus) Run(input);

  const uint64_t rounds = FromEnvironment("QSTORE_FUZZ_MUTATIONS", 2000);
  const auto deadline =
      std::chrono::steady_clock::now() +
      std::chrono::seconds(FromEnvironment("QSTORE_FUZZ_SECONDS", 10));
  uint64_t mutation_count = 0;
  for (uint64_t round = 0;
       round < rounds && std::chrono::steady_clock::now() < deadline; ++round) {
    for (size_t i = 0; i < corpus.size(); ++i) {
      Random random(round * corpus.size() + i);
      const Input& other = corpus[random.Below(corpus.size())];
      Input input = corpus[i];
      const size_t steps = 1 + random.Below(4);
      for (size_t step = 0; step < steps; ++step) {
        MutateOnce(other, &random, &input);
      }
      Run(input);
      ++mutation_count;
    }
  }
  std::printf("%zu files, %llu mutations\n", corpus.size(),
              static_cast<unsigned long long>(mutation_count));
  return EXIT_SUCCESS;
}
