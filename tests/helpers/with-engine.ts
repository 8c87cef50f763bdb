import { afterEach, beforeEach, expect } from 'vitest';
import { invalidRequests } from './simulator.ts';
import { openWorld, type World } from './world.ts';

/**
 * A fresh engine on a fresh embedded cluster for each test of the file or block. What it sent is held against the contract of Proxmox VE 9.2.
 */
export function withEngine(...options: Parameters<typeof openWorld>): () => World {
  let world: World;
  beforeEach(async () => {
    world = await openWorld(...options);
  });
  afterEach(async () => {
    await world.close();
    expect(invalidRequests(world.cluster.requests)).toEqual([]);
  });
  return () => world;
}
