/* Repositories by name and by number, read once and shared. */
import { useMemo } from 'react';
import type { Schemas } from '../api/client.ts';
import { usePages } from '../api/queries.ts';

export type Repository = Schemas['Repository'];
export interface KnownRepositories {
    items: readonly Repository[];
    byName: ReadonlyMap<string, Repository>;
    byId: ReadonlyMap<number, Repository>;
    isPending: boolean;
}

export function fullName(repository: Pick<Repository, 'owner' | 'name'>): string {
    return `${repository.owner}/${repository.name}`;
}

export function useRepositories(): KnownRepositories {
    const { items, isPending } = usePages<Repository>(
        { path: '/api/v1/repositories', on: ['repositories'] },
        500,
    );
    return useMemo(
        () => ({
            items,
            byName: new Map(items.map((one) => [fullName(one).toLowerCase(), one])),
            byId: new Map(items.map((one) => [one.id, one])),
            isPending,
        }),
        [items, isPending],
    );
}

export function repositoryNamed(known: KnownRepositories, name: string): Repository | undefined {
    return known.byName.get(name.toLowerCase());
}
