#include "actors/path/segment_text.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel;
using actors::segment_text;
using protocol::ip_address;
namespace flag = tonel::protocol::flag;

BOOST_AUTO_TEST_SUITE(segment_text_test)

BOOST_AUTO_TEST_CASE(segments_look_as_tcpdump_prints_them) {
  protocol::segment_repr in;
  in.tuple = {{ip_address::v4(192, 168, 200, 2), 40'000}, {ip_address::v4(10, 9, 2, 2), 443}};
  in.seq = {1'000};
  in.ack = {7};
  in.window = 65'535;
  in.flags = flag::psh | flag::ack;
  in.payload_length = 76;
  BOOST_TEST(segment_text(in) == "IP 10.9.2.2.443 > 192.168.200.2.40000: Flags [P.], seq "
                                 "1000:1076, ack 7, win 65535, length 76");
  in.flags = flag::ack;
  in.payload_length = 0;
  BOOST_TEST(segment_text(in) ==
             "IP 10.9.2.2.443 > 192.168.200.2.40000: Flags [.], ack 7, win 65535, length 0");
  protocol::segment_header out;
  out.tuple = {{*ip_address::parse("fd00::1"), 1}, {*ip_address::parse("fd00::2"), 2}};
  out.seq = {5};
  out.flags = flag::syn;
  out.window = 64'240;
  BOOST_TEST(segment_text(out, 0) ==
             "IP6 fd00::1.1 > fd00::2.2: Flags [S], seq 5, win 64240, length 0");
  out.flags = flag::rst | flag::ack;
  BOOST_TEST(segment_text(out, 0) ==
             "IP6 fd00::1.1 > fd00::2.2: Flags [R.], seq 5, ack 0, win 64240, length 0");
}

BOOST_AUTO_TEST_SUITE_END()
