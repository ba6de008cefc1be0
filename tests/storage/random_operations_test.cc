// Random operations on a store, compared with the plainest possible model of
// it, while calls of the engine fail at random and acknowledgements get lost.
//
// QSTORE_RANDOM_OPERATIONS (2000), QSTORE_RANDOM_SECONDS (instead of a number
// of operations) and QSTORE_RANDOM_SEED (1) make a longer or another run.
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "tests/storage/reference_store.h"
#include "tests/storage/store_fixture.h"

namespace qstore::storage {
namespace {

constexpr uint32_t kFaultOneIn = 40;
constexpr int kSampleCount = 16;
constexpr int kLargeSample = kSampleCount - 1;
constexpr int kOperationsBetweenFullChecks = 50;

uint64_t Setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Which samples a revision is made of; the last one is its config.json.
using Content = std::vector<int>;

template <typename Maker>
class RandomOperationsTest : public StoreTest<Maker> {
 protected:
  using Base = StoreTest<Maker>;

  RandomOperationsTest() {
    for (int i = 0; i < kLargeSample; ++i) {
      const auto seed = static_cast<uint64_t>(i);
      samples_.push_back(i % 3 == 0   ? QuantizedSample(seed, 8, 16)
                         : i % 3 == 1 ? PlainSample(seed, 30)
                                      : OpaqueSample(seed, 200));
    }
    samples_.push_back(LargeSample(kLargeSample));
  }

  uint32_t Below(uint32_t bound) {
    return static_cast<uint32_t>(random_() % bound);
  }
  std::string AnyTag() { return "t" + std::to_string(Below(3)); }
  std::string AnyModel() { return "org/m" + std::to_string(Below(4)); }

  // A model that has a revision, if there is one.
  std::optional<std::string> ListedModel() {
    if (expected_.models.empty()) return std::nullopt;
    auto it = expected_.models.begin();
    std::advance(it, Below(static_cast<uint32_t>(expected_.models.size())));
    return it->first;
  }

  Content AnyContent() {
    Content content;
    const uint32_t tensor_count = Below(3);
    for (uint32_t i = 0; i < tensor_count; ++i) {
      content.push_back(static_cast<int>(Below(kLargeSample)));
    }
    if (Below(100) == 0) content.push_back(kLargeSample);
    content.push_back(static_cast<int>(Below(5)) * 3 + 2);  // a file
    return content;
  }

  absl::StatusOr<StoredRevision> Draft(Upload* upload, const std::string& model,
                                       const Content& content) {
    StoredRevision draft;
    draft.model = model;
    draft.quantizer = "absmax";
    for (size_t i = 0; i < content.size(); ++i) {
      const SampleObject& sample = samples_[content[i]];
      QSTORE_ASSIGN_OR_RETURN(auto found,
                              upload->FindObject(sample.content_hash()));
      // Now and then without asking first, as when two uploads race.
      if (!found.has_value() || Below(4) == 0) {
        QSTORE_ASSIGN_OR_RETURN(found, AddSample(upload, sample));
      }
      const bool tensor = i + 1 < content.size();
      draft.files.push_back(
          {.path = tensor ? "part-" + std::to_string(i) + ".safetensors"
                          : "config.json",
           .size_bytes = sample.object.raw_bytes,
           .safetensors = tensor,
           .segments = {SegmentOf(*found, sample, tensor ? "w" : "")}});
    }
    return draft;
  }

  // The listing must be what is expected or, after an operation that failed,
  // what it would be had that succeeded.
  void Settle(const absl::Status& status, const ReferenceStore& after,
              const char* operation) {
    this->faults_->Heal();
    const auto listed = this->store_->ListModels();
    ASSERT_TRUE(listed.ok()) << listed.status();
    const ReferenceStore now = ReferenceStore::Of(*listed);
    const bool may_be_as_before = !status.ok();
    ASSERT_TRUE(now == after || (may_be_as_before && now == expected_))
        << operation << ", which ended with " << status
        << ", left another listing than can be";
    expected_ = now;
    this->faults_->FailRandomly(kFaultOneIn, static_cast<uint32_t>(random_()));
  }

  void UploadOne() {
    const std::string model = AnyModel();
    const std::string tag = AnyTag();
    const Content content = AnyContent();
    const bool abandon = Below(5) == 0;
    ReferenceStore after = expected_;
    absl::Status status;
    std::string revision;
    {
      auto upload = this->store_->BeginUpload(model);
      ASSERT_TRUE(upload.ok()) << upload.status();
      auto draft = Draft(upload->get(), model, content);
      status = draft.status();
      if (draft.ok() && !abandon) {
        const auto result = (*upload)->Commit(*draft, tag);
        status = result.status();
        if (result.ok()) revision = result->revision.revision;
      }
    }
    if (abandon ||
        (!status.ok() && status.code() != absl::StatusCode::kUnavailable)) {
      ASSERT_TRUE(abandon) << status;
      return Settle(absl::OkStatus(), expected_, "an abandoned upload");
    }
    if (!status.ok()) {
      // Only the store can tell the id, if it has the revision at all.
      this->faults_->Heal();
      const auto summary = this->store_->GetModel(model);
      if (summary.ok()) {
        for (const ModelSummary::Tag& entry : summary->tags) {
          if (entry.name == tag) revision = entry.revision;
        }
      }
    }
    if (!revision.empty()) {
      const auto [known, is_new] =
          contents_.try_emplace({model, revision}, content);
      if (status.ok()) {
        EXPECT_EQ(known->second, content) << "one id for different contents";
      }
      if (known->second == content) after.Upload(model, revision, tag);
    }
    Settle(status, after, "an upload");
  }

  void TagOne() {
    const auto model = ListedModel();
    if (!model.has_value()) return;
    const auto& revisions = expected_.models[*model].revisions;
    const std::string revision =
        revisions[Below(static_cast<uint32_t>(revisions.size()))];
    const std::string tag = AnyTag();
    const auto result = this->store_->SetTag(Ref(*model + "@" + revision), tag);
    ReferenceStore after = expected_;
    after.Upload(*model, revision, tag);
    Settle(result.status(), after, "a tag");
  }

  void DeleteOne() {
    const auto model = ListedModel();
    if (!model.has_value()) return;
    const ReferenceStore::Model& entry = expected_.models[*model];
    ReferenceStore after = expected_;
    std::string reference;
    if (!entry.tags.empty() && Below(2) == 0) {
      auto tag = entry.tags.begin();
      std::advance(tag, Below(static_cast<uint32_t>(entry.tags.size())));
      reference = *model + ":" + tag->first;
      after.DeleteTag(*model, tag->first);
    } else {
      const std::string revision =
          entry.revisions[Below(static_cast<uint32_t>(entry.revisions.size()))];
      reference = *model + "@" + revision;
      after.DeleteRevision(*model, revision);
    }
    const auto result = this->store_->Delete(Ref(reference));
    Settle(result.status(), after, "a deletion");
  }

  // Opens a reader and keeps it for a while, deletions or not.
  void OpenOne() {
    const auto model = ListedModel();
    if (!model.has_value() || readers_.size() >= 4) return;
    const auto& revisions = expected_.models[*model].revisions;
    const std::string revision =
        revisions[Below(static_cast<uint32_t>(revisions.size()))];
    auto reader = this->store_->OpenRevision(Ref(*model + "@" + revision));
    if (!reader.ok()) {
      ASSERT_THAT(reader.status(), StatusIs(absl::StatusCode::kUnavailable));
      return;
    }
    const auto content = contents_.find({*model, revision});
    ASSERT_NE(content, contents_.end());
    readers_.push_back({*std::move(reader), content->second});
  }

  void CloseOne() {
    if (readers_.empty()) return;
    const absl::Status status = Read(readers_.front());
    ASSERT_TRUE(status.ok() || absl::IsUnavailable(status)) << status;
    readers_.erase(readers_.begin());
  }

  struct Reader {
    std::unique_ptr<RevisionReader> reader;
    Content content;
  };

  // Every byte of the revision against the samples it was made of.
  absl::Status Read(const Reader& reader) {
    const StoredRevision& revision = reader.reader->revision();
    EXPECT_EQ(revision.files.size(), reader.content.size());
    for (size_t i = 0; i < revision.files.size(); ++i) {
      const SampleObject& sample = samples_[reader.content[i]];
      const uint64_t id = revision.files[i].segments[0].object_id;
      QSTORE_ASSIGN_OR_RETURN(const model::Object object,
                              reader.reader->GetObject(id));
      EXPECT_EQ(object.chunks.size(), sample.chunks.size());
      for (size_t c = 0; c < object.chunks.size(); ++c) {
        QSTORE_RETURN_IF_ERROR(ReadChunk(reader.reader.get(), object,
                                         static_cast<uint32_t>(c),
                                         sample.chunks[c]));
      }
    }
    return absl::OkStatus();
  }

  static absl::Status ReadChunk(RevisionReader* reader,
                                const model::Object& object, uint32_t index,
                                const SampleObject::SampleChunk& sample) {
    QSTORE_ASSIGN_OR_RETURN(const auto layers,
                            ReadLayers(reader, object, index));
    EXPECT_EQ(layers.size(), sample.layers.size());
    for (size_t i = 0; i < layers.size(); ++i) {
      EXPECT_EQ(layers[i].layer, sample.layers[i].layer);
      EXPECT_EQ(layers[i].blobs.size(), sample.layers[i].blobs.size());
      for (size_t j = 0; j < layers[i].blobs.size(); ++j) {
        const codec::EncodedBlob& expected = sample.layers[i].blobs[j];
        EXPECT_EQ(layers[i].blobs[j].subgroup, expected.subgroup);
        EXPECT_EQ(AsStringView(layers[i].blobs[j].bytes),
                  AsStringView(expected.bytes));
      }
    }
    return absl::OkStatus();
  }

  // The process ends without cleaning up, in the middle of an upload, and the
  // next one opens the store.
  void Crash() {
    auto upload = this->store_->BeginUpload(AnyModel());
    ASSERT_TRUE(upload.ok());
    Draft(upload->get(), "org/m0", AnyContent()).status().IgnoreError();
    for (const Faults::Call call :
         {Faults::Call::kCommit, Faults::Call::kBulkPut, Faults::Call::kIngest,
          Faults::Call::kDeleteRange}) {
      this->faults_->FailAll(call, absl::AbortedError("the process is gone"));
    }
    upload->reset();
    readers_.clear();
    this->Reopen();
    ASSERT_TRUE(this->store_->sweep_report().problem.ok())
        << this->store_->sweep_report().problem;
    Settle(absl::OkStatus(), expected_, "opening the store again");
    CheckAll(/*collect=*/false);
  }

  // Without faults: everything is whole, and nothing else is stored.
  void CheckAll(bool collect) {
    this->faults_->Heal();
    // What could not be collected before can be now.
    if (collect) {
      ASSERT_TRUE(this->Collect().ok());
    }
    std::set<int> used;
    for (const auto& [name, model] : expected_.models) {
      for (const std::string& revision : model.revisions) {
        auto reader =
            this->store_->OpenRevision(Ref(absl::StrCat(name, "@", revision)));
        ASSERT_TRUE(reader.ok()) << reader.status();
        const Content& content = contents_.at({name, revision});
        const absl::Status status = Read({*std::move(reader), content});
        ASSERT_TRUE(status.ok()) << status;
        used.insert(content.begin(), content.end());
      }
    }
    for (const Reader& reader : readers_) {
      const absl::Status status = Read(reader);
      ASSERT_TRUE(status.ok()) << status;
      used.insert(reader.content.begin(), reader.content.end());
    }
    int value_count = 0;
    for (const int i : used) {
      value_count += samples_[static_cast<size_t>(i)].value_count();
    }
    ASSERT_EQ(this->DataKeyCount(), value_count) << "orphans, or data is lost";
    this->faults_->FailRandomly(kFaultOneIn, static_cast<uint32_t>(random_()));
  }

  void RunOne() {
    const uint32_t kind = Below(1000);
    if (kind < 350) return UploadOne();
    if (kind < 450) return TagOne();
    if (kind < 700) return DeleteOne();
    if (kind < 840) return OpenOne();
    if (kind < 995) return CloseOne();
    Crash();
  }

  void Run() {
    const uint64_t seed = Setting("QSTORE_RANDOM_SEED", 1);
    const uint64_t seconds = Setting("QSTORE_RANDOM_SECONDS", 0);
    const uint64_t count = Setting("QSTORE_RANDOM_OPERATIONS", 2000);
    random_.seed(static_cast<uint32_t>(seed));
    this->faults_->FailRandomly(kFaultOneIn, static_cast<uint32_t>(random_()));
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    uint64_t done = 0;
    while (seconds > 0 ? std::chrono::steady_clock::now() < end
                       : done < count) {
      SCOPED_TRACE("operation " + std::to_string(++done) + " of seed " +
                   std::to_string(seed));
      RunOne();
      if (done % kOperationsBetweenFullChecks == 0) CheckAll(true);
      if (this->HasFailure()) return;
    }
    CheckAll(true);
    std::printf("%" PRIu64 " operations, %" PRIu64 " faults\n", done,
                this->faults_->failed_count());
    EXPECT_GT(this->faults_->failed_count(), 0u);
  }

  std::minstd_rand random_;
  std::vector<SampleObject> samples_;
  ReferenceStore expected_;
  std::map<std::pair<std::string, std::string>, Content> contents_;
  std::vector<Reader> readers_;
};
TYPED_TEST_SUITE(RandomOperationsTest, Makers);

TYPED_TEST(RandomOperationsTest, AnswersAsTheModelDoes) { this->Run(); }

}  // namespace
}  // namespace qstore::storage
