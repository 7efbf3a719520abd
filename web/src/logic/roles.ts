/* Who may change whom. The API refuses the rest anyway; here it decides what is shown at all. */
export type Role = 'owner' | 'admin' | 'member';

/** Roles that one may give. */
export function rolesFor(mine: Role): Role[] {
    return mine === 'owner' ? ['owner', 'admin', 'member'] : ['admin', 'member'];
}

export function mayChange(mine: Role, isAdmin: boolean, theirs: Role): boolean {
    return isAdmin && (mine === 'owner' || theirs !== 'owner');
}
