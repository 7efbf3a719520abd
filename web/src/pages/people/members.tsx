import { Empty, Page } from '../../parts/page.tsx';

export default function Members() {
    return (
        <Page title="Members">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
