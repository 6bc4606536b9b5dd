/* Five bodies under gravity, double precision. */
#include "kernel.h"

enum { BODIES = 5 };
typedef struct body {
    double x, y, z, vx, vy, vz, mass;
} body_t;

static body_t bodies[BODIES] = {
    {0, 0, 0, 0, 0, 0, 39.47841760435743},
    {4.84143144246472, -1.16032004402742, -0.103622044471123, 0.606326392995832, 2.81198684491626,
     -0.02521836165988763, 0.03769367487038949},
    {8.34336671824457, 4.124798564124305, -0.4035234171143214, -1.010774346178793,
     1.825662371230411, 0.008415761376584154, 0.01128632613196877},
    {12.89436956213912, -15.11115140169864, -0.2233075788926557, 1.082791006441535,
     0.8687130181696082, -0.01083263740136364, 0.001723724057059711},
    {15.37969711485092, -25.91931460998796, 0.1792587729503712, 0.9790907322432897,
     0.5946989986476762, -0.03475595555078104, 0.002033686869924631},
};

static void advance(double dt)
{
    for (int i = 0; i < BODIES; i++) {
        body_t *p = &bodies[i];
        for (int j = i + 1; j < BODIES; j++) {
            body_t *q = &bodies[j];
            double dx = p->x - q->x, dy = p->y - q->y, dz = p->z - q->z;
            double squared = dx * dx + dy * dy + dz * dz;
            double magnitude = dt / (squared * __builtin_sqrt(squared));
            p->vx -= dx * q->mass * magnitude;
            p->vy -= dy * q->mass * magnitude;
            p->vz -= dz * q->mass * magnitude;
            q->vx += dx * p->mass * magnitude;
            q->vy += dy * p->mass * magnitude;
            q->vz += dz * p->mass * magnitude;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        bodies[i].x += dt * bodies[i].vx;
        bodies[i].y += dt * bodies[i].vy;
        bodies[i].z += dt * bodies[i].vz;
    }
}

uint32_t run(uint32_t rounds)
{
    for (uint32_t i = 0; i < rounds * 20000; i++)
        advance(0.01);
    return (uint32_t)(int64_t)(bodies[0].x * 1e6);
}
