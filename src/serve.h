/* serve: builds the parts of the control plane, starts them, and stops them in order. */
#ifndef SIGNALBOX_SERVE_H
#define SIGNALBOX_SERVE_H

int serve_main(int argc, char **argv);      /* exit code */
/* signalbox bootstrap: the first admin token, straight into the database */
int bootstrap_main(int argc, char **argv);

#endif
