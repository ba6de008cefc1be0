#include "base/text/host_port.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/text/quote.h"

namespace qstore {
namespace {

constexpr uint32_t kMaxPort = 65'535;

absl::Status WrongAddress(const std::string& text, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(Quoted(text), " ", what));
}

bool IsNumber(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return absl::ascii_isdigit(c); });
}

}  // namespace

bool HostPort::is_loopback() const {
  return host == "localhost" || host == "::1" || absl::StartsWith(host, "127.");
}

absl::StatusOr<HostPort> ParseHostPort(const std::string& text,
                                       uint16_t least_port) {
  if (const size_t scheme = text.find("://"); scheme != std::string::npos) {
    return WrongAddress(text,
                        absl::StrCat("begins with ", text.substr(0, scheme + 3),
                                     ": give HOST:PORT without it"));
  }
  const size_t colon = text.rfind(':');
  HostPort parsed;
  parsed.host = text.substr(0, colon);
  if (absl::StartsWith(text, "[")) {
    if (!absl::EndsWith(parsed.host, "]")) {
      return WrongAddress(text, "names no port: give [ADDRESS]:PORT");
    }
    parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
  } else if (absl::StrContains(parsed.host, ':')) {
    return WrongAddress(text,
                        "has several colons: give an IPv6 address in brackets, "
                        "as in [::1]:7350");
  }
  if (colon == std::string::npos || colon + 1 == text.size()) {
    return WrongAddress(text, "names no port: give HOST:PORT");
  }
  if (parsed.host.empty()) {
    return WrongAddress(text, "names no host: give HOST:PORT");
  }
  const std::string port = text.substr(colon + 1);
  uint32_t number = 0;
  if (!IsNumber(port) || !absl::SimpleAtoi(port, &number) ||
      number > kMaxPort || number < least_port) {
    return WrongAddress(text, absl::StrCat("has the port ", Quoted(port),
                                           ", which is no number from ",
                                           least_port, " to ", kMaxPort));
  }
  parsed.port = static_cast<uint16_t>(number);
  return parsed;
}

}  // namespace qstore
