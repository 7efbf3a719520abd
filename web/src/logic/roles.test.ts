import { expect, test } from 'vitest';
import { mayChange, rolesFor } from './roles.ts';

test('only owners touch owners and make owners', () => {
    expect(mayChange('owner', true, 'owner')).toBe(true);
    expect(mayChange('admin', true, 'owner')).toBe(false);
    expect(mayChange('admin', true, 'admin')).toBe(true);
    expect(mayChange('member', false, 'member')).toBe(false);
    expect(rolesFor('admin')).not.toContain('owner');
    expect(rolesFor('owner')).toContain('owner');
});
