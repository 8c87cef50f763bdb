import { afterEach, beforeEach } from 'vitest';
import { openWorld, type World } from './world.ts';

/** A fresh engine on a fresh embedded cluster for each test of the file or block. */
export function withEngine(...options: Parameters<typeof openWorld>): () => World {
  let world: World;
  beforeEach(async () => {
    world = await openWorld(...options);
  });
  afterEach(() => world.close());
  return () => world;
}
