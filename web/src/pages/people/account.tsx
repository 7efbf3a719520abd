import { Empty, Page } from '../../parts/page.tsx';

export default function Account() {
    return (
        <Page title="Your account">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
