#include "server/calls/rights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/server/calls/call_server.h"

namespace qstore::server {
namespace {

using ::testing::ElementsAre;

// Nobody may delete, and nobody sees what begins with "secret".
class SomeRights final : public Rights {
 public:
  absl::Status Check(const CallMethod& method,
                     const std::string& model) const override {
    asked.push_back(std::string(method.name) + " " + model);
    if (&method == &kDeleteMethod || model.starts_with("secret")) {
      return absl::PermissionDeniedError("not for you");
    }
    return absl::OkStatus();
  }
  mutable std::vector<std::string> asked;
};

class RightsTest : public ::testing::Test {
 protected:
  grpc::Status CallFor(const CallMethod& method, const std::string& model) {
    worked_ = false;
    return server_.Call(method, [&](CallFrame* call) -> absl::Status {
      if (method.about_model) {
        v1::Reference reference;
        reference.set_model(model);
        const auto authorized = call->Authorize(reference);
        if (!authorized.ok()) return authorized.status();
        EXPECT_EQ(authorized->model, model);
        EXPECT_EQ(authorized->tag, "latest");
      }
      worked_ = true;
      return absl::OkStatus();
    });
  }

  SomeRights rights_;
  CallServer server_{&rights_};
  bool worked_ = false;
};

TEST_F(RightsTest, AskedWithMethodAndModelBeforeTheWork) {
  EXPECT_TRUE(CallFor(kSetTagMethod, "org/model").ok());
  EXPECT_TRUE(worked_);
  EXPECT_TRUE(CallFor(kListModelsMethod, "").ok());
  EXPECT_TRUE(worked_);
  EXPECT_THAT(rights_.asked, ElementsAre("SetTag org/model", "ListModels "));
}

TEST_F(RightsTest, RefusalsEndTheCallWithAReason) {
  for (const auto& [method, model] :
       {std::pair(&kDeleteMethod, "org/model"),
        std::pair(&kVerifyMethod, "secret/model")}) {
    const grpc::Status status = CallFor(*method, model);
    EXPECT_FALSE(worked_);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_EQ(ErrorInfoOf(status).reason(), "PERMISSION_DENIED");
    EXPECT_EQ(ErrorInfoOf(status).metadata().at("model"), model);
  }
}

TEST_F(RightsTest, NeverAskedWithWhatIsNoName) {
  EXPECT_EQ(CallFor(kSetTagMethod, "../etc").error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(CallFor(kSetTagMethod, "").error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(rights_.asked.empty());
}

TEST(AllowAllTest, Allows) {
  for (const CallMethod* method : kCallMethods) {
    EXPECT_TRUE(AllowAll().Check(*method, "org/model").ok());
  }
}

}  // namespace
}  // namespace qstore::server
