#include <chrono>
#include <fstream>
#include <set>
#include <thread>

#include "server/check/scrubber.h"
#include "tests/server/server_fixture.h"

namespace qstore::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;

class ScrubTest : public EveryEngineTest {
 protected:
  std::filesystem::path state_path() const {
    return directory_.path() / "scrub-state";
  }

  std::unique_ptr<Scrubber> StartScrub(
      milliseconds interval = std::chrono::hours(1),
      uint64_t bytes_per_second = 1u << 30) {
    return std::make_unique<Scrubber>(
        &daemon_->store(), &idle_, &timer_,
        ScrubOptions{bytes_per_second, interval, state_path()});
  }

  template <typename Condition>
  v1::ScrubStatus WaitFor(const Scrubber& scrubber, const Condition& holds) {
    const auto deadline = steady_clock::now() + seconds(20);
    while (!holds(scrubber.Status()) && steady_clock::now() < deadline) {
      std::this_thread::sleep_for(milliseconds(2));
    }
    v1::ScrubStatus status = scrubber.Status();
    EXPECT_TRUE(holds(status)) << status.DebugString();
    return status;
  }
  v1::ScrubStatus WaitUntilFinished(const Scrubber& scrubber) {
    return WaitFor(scrubber, [](const v1::ScrubStatus& status) {
      return !status.running() && status.finished_unix_seconds() != 0;
    });
  }

  std::set<uint64_t> ObjectIds(const std::string& model) {
    const auto reader = daemon_->store().OpenRevision({model, "latest", ""});
    EXPECT_TRUE(reader.ok()) << reader.status();
    return storage::ObjectIdsOf((*reader)->revision());
  }

  Timer timer_;
  CallAdmission idle_{CallAdmission::Limits{}, &timer_};
};

TEST_P(ScrubTest, ChecksEachObjectOfEveryRevisionOnce) {
  const TestModel model = VariedModel(1);
  MustUpload("org/a", model);
  TestModel other = model;
  other["extra.txt"] = "more";
  MustUpload("org/b", other);
  std::set<uint64_t> ids = ObjectIds("org/a");
  ids.merge(ObjectIds("org/b"));
  const auto scrubber = StartScrub();
  const v1::ScrubStatus status = WaitUntilFinished(*scrubber);
  EXPECT_EQ(status.checked_objects(), ids.size());
  EXPECT_GT(status.checked_bytes(), 10'000u);
  EXPECT_EQ(status.damage_size(), 0) << status.DebugString();
}

TEST_P(ScrubTest, DamageIsNamedAndForgottenWhenItIsGone) {
  const TestModel model = {
      {"model.safetensors",
       SafetensorsFile({{"layer.weight", Dtype::kBF16, {64, 128}, 1}})}};
  const v1::UploadResponse uploaded = MustUpload(kModel, model);
  for (const auto& [layer, name] : {std::pair(kInt8, "int8: object"),
                                    std::pair(kResidual, "residual: object")}) {
    std::filesystem::remove(state_path());
    DamageReads(layer);
    const auto scrubber = StartScrub(milliseconds(1));
    const v1::ScrubStatus found = WaitFor(
        *scrubber,
        [](const v1::ScrubStatus& status) { return !status.damage().empty(); });
    ASSERT_EQ(found.damage_size(), 1) << found.DebugString();
    const v1::Damage& damage = found.damage(0);
    EXPECT_EQ(damage.model(), kModel);
    EXPECT_EQ(damage.revision(), uploaded.revision());
    EXPECT_THAT(damage.problem(), HasSubstr("file \"model.safetensors\""));
    EXPECT_THAT(damage.problem(), HasSubstr("tensor \"layer.weight\""));
    EXPECT_THAT(damage.problem(), HasSubstr("chunk 0"));
    EXPECT_THAT(damage.problem(), HasSubstr(name));
    faults_->Heal();
    WaitFor(*scrubber, [](const v1::ScrubStatus& status) {
      return status.damage().empty();
    });
  }
}

TEST_P(ScrubTest, DamageToAFileNamesEveryModelThatHasIt) {
  MustUpload("org/a", {{"notes.txt", "some text"}});
  MustUpload("org/b", {{"notes.txt", "some text"}});
  DamageReads(kPlain);
  const auto scrubber = StartScrub();
  const v1::ScrubStatus found = WaitUntilFinished(*scrubber);
  ASSERT_EQ(found.damage_size(), 2) << found.DebugString();
  EXPECT_EQ(found.damage(0).model(), "org/a");
  EXPECT_EQ(found.damage(1).model(), "org/b");
  EXPECT_THAT(found.damage(1).problem(), HasSubstr("file \"notes.txt\""));
  EXPECT_EQ(found.checked_objects(), 1u);
}

TEST_P(ScrubTest, StopsAtOnceAndGoesOnWhereItWas) {
  MustUpload(kModel, VariedModel(1));
  const uint64_t object_count = ObjectIds(kModel).size();
  uint64_t first_objects = 0;
  int64_t started = 0;
  {
    // Slow enough never to end, fast enough to finish some objects.
    const auto scrubber = StartScrub(std::chrono::hours(1), 2'000);
    first_objects = WaitFor(*scrubber, [](const v1::ScrubStatus& status) {
                      return status.checked_objects() > 1;
                    }).checked_objects();
    started = scrubber->Status().started_unix_seconds();
    const auto before = steady_clock::now();
    scrubber->Stop();
    EXPECT_LT(steady_clock::now() - before, seconds(2));
    EXPECT_TRUE(scrubber->Status().running());
    first_objects = scrubber->Status().checked_objects();
    EXPECT_LT(first_objects, object_count);
  }
  {
    const auto scrubber = StartScrub();
    const v1::ScrubStatus status = WaitUntilFinished(*scrubber);
    // Not begun anew: the sum is that of one pass.
    EXPECT_EQ(status.checked_objects(), object_count);
    EXPECT_EQ(status.started_unix_seconds(), started);
  }
  // The next pass is not due yet.
  const auto scrubber = StartScrub();
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_FALSE(scrubber->Status().running());
  EXPECT_EQ(scrubber->Status().started_unix_seconds(), started);
}

TEST_P(ScrubTest, DeletedModelsAreLetGo) {
  MustUpload(kModel, VariedModel(1));
  const auto scrubber = StartScrub(std::chrono::hours(1), 2'000);
  WaitFor(*scrubber, [](const v1::ScrubStatus& status) {
    return status.checked_objects() > 0;
  });
  ASSERT_TRUE(daemon_->store().Delete({kModel, "latest", ""}).ok());
  // All but the object that it holds.
  const int left = DataKeyCount();
  EXPECT_LE(left, 20);
  scrubber->Stop();
  EXPECT_EQ(DataKeyCount(), 0);
}

TEST_P(ScrubTest, UnreadableStateBeginsAnew) {
  MustUpload(kModel, VariedModel(1));
  std::ofstream(state_path()) << "\x01 not what was written";
  const auto scrubber = StartScrub();
  EXPECT_EQ(WaitUntilFinished(*scrubber).checked_objects(),
            ObjectIds(kModel).size());
}

INSTANTIATE_TEST_SUITE_P(Engines, ScrubTest,
                         ::testing::Values("memory", "rocksdb"));

TEST_F(ServerTest, ScrubStatusSaysWhetherItIsOn) {
  for (const uint32_t hours : {0u, 1u}) {
    options_.scrub_interval_hours = hours;
    StartServer();
    grpc::ClientContext context;
    v1::ScrubStatus status;
    ASSERT_TRUE(NewAdminStub()->GetScrubStatus(&context, {}, &status).ok());
    EXPECT_EQ(status.enabled(), hours != 0);
    StopServer();
  }
}

TEST(ScrubPaceTest, FollowsTheRateAndYields) {
  ScrubPace pace(1000);
  const auto begin = steady_clock::now();
  EXPECT_EQ(pace.After(500, false, begin), begin + milliseconds(500));
  EXPECT_EQ(pace.After(500, false, begin + milliseconds(100)),
            begin + milliseconds(1000));
  EXPECT_EQ(pace.After(500, true, begin + milliseconds(1000)),
            begin + milliseconds(3000));
  // A pause is not followed by a burst.
  EXPECT_EQ(pace.After(500, false, begin + milliseconds(9000)),
            begin + milliseconds(9500));
}

TEST(ScrubLedgerTest, IsBounded) {
  ScrubLedger ledger("");
  ledger.BeginPass(1);
  for (int i = 0; i < kMaxListedDamage + 7; ++i) {
    EXPECT_TRUE(ledger.NoteDamage("m", "r", std::to_string(i), 2));
  }
  EXPECT_FALSE(ledger.NoteDamage("m", "r", "5", 3));
  EXPECT_EQ(ledger.Status().damage_size(), kMaxListedDamage);
  EXPECT_EQ(ledger.Status().unlisted_damage_count(), 7u);
  ledger.BeginPass(4);
  EXPECT_FALSE(ledger.NoteDamage("m", "r", "5", 4));
  ledger.EndPass(5);
  ASSERT_EQ(ledger.Status().damage_size(), 1);
  EXPECT_EQ(ledger.Status().damage(0).first_seen_unix_seconds(), 2);
}

}  // namespace
}  // namespace qstore::server
