/* Filters and the address. A parameter that nobody knows stays where it is and filters nothing. */
export type Filters<N extends string> = Record<N, string>;

export function filtersOf<N extends string>(
    search: Record<string, unknown>,
    names: readonly N[],
): Filters<N> {
    const filters = {} as Filters<N>;
    for (const name of names) {
        const value = search[name];
        filters[name] = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
    }
    return filters;
}

/** "plan,apply" and back; nothing twice, nothing empty. */
export function listOf(value: string): string[] {
    return [...new Set(value.split(',').filter((one) => one !== ''))];
}
export function wordOfList(list: readonly string[]): string {
    return [...new Set(list)].join(',');
}
