#pragma once

#include "actors/pch.hpp"

#include <boost/test/unit_test.hpp>
