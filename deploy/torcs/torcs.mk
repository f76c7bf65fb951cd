# Included by the Makefile: the robot for Debian's TORCS. README.md in this folder tells more.

TORCS_BUILD := build/torcs
TORCS_ROBOT := deploy/torcs/robot
TORCS_SOURCES := $(TORCS_BUILD)/source
TORCS_INCLUDES = $(addprefix -isystem $(TORCS_SOURCES)/src/,interfaces libs/tgf libs/robottools libs linux) \
	-isystem $(TORCS_SOURCES)/include

## TORCS's robot for ENV=Torcs-v0, from Debian's packages (394 MB of source for its headers); sudo where not root
.PHONY: torcs
torcs: $(TORCS_BUILD)/libraries/drivers/scr/scr.so

# Debian's program with the robot beside its own: a folder of links.
$(TORCS_BUILD)/libraries/drivers/scr/scr.so: $(wildcard $(TORCS_ROBOT)/*.cpp $(TORCS_ROBOT)/*.h) | $(TORCS_SOURCES)/.ready
	mkdir -p $(@D)
	ln -sfn $$(echo /usr/lib/*/torcs/lib /usr/lib/*/torcs/modules) $(TORCS_BUILD)/libraries/
	ln -sfn /usr/share/games/torcs $(TORCS_BUILD)/data
	$(CXX) -std=c++17 -O2 -Wall -Wextra -Werror -fPIC -shared $(TORCS_INCLUDES) -o $@ $(filter %.cpp,$^)

$(TORCS_SOURCES)/.ready:
	deploy/torcs/fetch $(TORCS_SOURCES)
	mkdir -p $(TORCS_SOURCES)/include && ln -sfn ../src/libs/math $(TORCS_SOURCES)/include/tmath
	touch $@
